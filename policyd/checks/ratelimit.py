"""ratelimit - no more than so many recipients, messages or bytes in so much time, by login, address or network.

    [policyd.checks.users]
    check = "ratelimit"
    key = ["sasl_username"]
    limits = ["100/1h", "500/day"]
    overrides = { "newsletter@example.org" = { limits = ["5000/1h"] } }

Several windows are charged together or not at all, by the store and in one step. A window of 100/1h lets 100 through
at once and then one each 36 s (GCRA), one of 500/day counts from midnight to midnight. A request that Postfix repeats
because our reply was lost is charged once. What stands at VRFY, ETRN or before RCPT is never counted.

What is charged is not given back, so it is charged when it is sure: at RCPT single recipients, whatever becomes of
them; at DATA those that were accepted; at END-OF-MESSAGE those of a message that has come in whole. With `reserve` a
message holds at RCPT what it would be charged then, so that others cannot take it; what never completes is free again.
With `early` RCPT only looks whether anything is left.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import ClassVar, Literal

from policyd import keys
from policyd.checks.ratelimit_notices import LimitNotices, LimitTold
from policyd.checks.ratelimit_overrides import (
    Override,
    Overrides,
    Terms,
    good_limits,
    limit_problems,
    name_problems,
)
from policyd.checks.ratelimit_refusals import PLACEHOLDERS, REPLIES, Refusals
from policyd.checks.ratelimit_reserve import Witness, hold_of, settles
from policyd.checks.ratelimit_tables import TableOverrides
from policyd.checks.ratelimit_windows import Limit, zone_of
from policyd.wording import parse, problems
from tamis.check import Services
from tamis.config.schema import Duration, option
from tamis.store import Window
from tamis.transaction import Stage, Transaction
from tamis.verdict import PASS, Verdict, passed, reject

_STAGES = {"rcpt": Stage.RCPT, "data": Stage.DATA, "end_of_message": Stage.END_OF_MESSAGE}


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What every run needs and only the options decide.

    rule: stands for what the counters mean: neither the table's name nor another reply resets them."""

    rule: str
    stages: frozenset[Stage]
    overrides: Overrides
    tables: TableOverrides
    recipients: bool
    zone: tzinfo
    refusals: Refusals
    readers: tuple[keys.Reader, ...]
    witness: Witness = field(default_factory=Witness, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Its fields are its options: ``[policyd.checks.NAME]`` with ``check = "ratelimit"``."""

    limits: tuple[str, ...] = option(
        (), 'all of them hold: "100/1h" is regained evenly, "500/day" (hour, week, month) at its end'
    )
    key: tuple[keys.KeyName, ...] = option(
        ("sasl_username",), "who is counted; several names count the combination"
    )
    cost: Literal["recipient", "message", "byte"] = option("recipient", "what is counted")
    stage: Literal["rcpt", "data", "end_of_message"] = option(
        "rcpt",
        "when it is charged: rcpt refuses single recipients, data (smtpd_data_restrictions) the message, "
        "end_of_message (smtpd_end_of_data_restrictions) one that has come in whole",
    )
    reserve: bool = option(
        False, "with a later stage: hold it from RCPT on, until it is charged or the message is given up"
    )
    reserve_for: Duration = option(
        Duration(600.0),
        "how long a message holds it after each command of the client",
        at_least=1,
        at_most=86400,
    )
    early: bool = option(
        False, "with a later stage: refuse at RCPT too, where nothing is left; charges nothing"
    )
    max_recipients: int = option(0, "in one message, looked at when it is at DATA; 0: any number", at_least=0)
    overrides: dict[str, Override] = option(
        {}, 'other terms: by login, "@example.org" for each login of a domain, or network of the client'
    )
    tables: tuple[str, ...] = option(
        (),
        "for those whom neither overrides nor exempt name: hash:/path, sql:/path, redis:/path ... with 5000/1h, "
        "exempt or max_recipients=20",
    )
    exempt: tuple[str, ...] = option(
        (), "never counted: logins, domains of logins, networks, as in overrides"
    )
    delimiters: str = option(
        "+", "each may begin an extension: user+x@ counts as user@, as sender and as recipient; empty: none"
    )
    ipv4_prefix: int = option(24, "of client_network", at_least=0, at_most=32)
    ipv6_prefix: int = option(64, "of client_network", at_least=0, at_most=128)
    geoip: tuple[str, ...] = option((), "MaxMind files that know country or asn: /path/GeoLite2-ASN.mmdb")
    zone: str = option("UTC", "whose midnight ends a day, week or month: Europe/Paris")
    action: Literal["defer", "reject"] = option("defer", "come back later, or never")
    reply: str | None = option(
        None,
        "access(5) action in your words, instead of action; may hold "
        + " ".join(f"{{{p}}}" for p in PLACEHOLDERS),
    )
    notices: LimitNotices = option(LimitNotices(), "who is told that a limit was reached")

    name: ClassVar[str] = "ratelimit"
    _prepared: _Prepared = field(init=False, repr=False, compare=False)
    _told: LimitTold = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        base = Terms(good_limits(self.limits), self.max_recipients)
        overrides = Overrides(base, self.exempt, self.overrides)
        reply = REPLIES[self.action] if self.reply is None or self._reply_problems() else self.reply
        prepared = _Prepared(
            rule=f"{self.name}:{self._rule(base.limits)[:12]}",
            stages=self._asked_at(overrides),
            overrides=overrides,
            tables=TableOverrides(self.tables),
            recipients=not keys.OF_ONE_RECIPIENT.isdisjoint(self.key),
            zone=self._zone() or UTC,
            refusals=Refusals(parse(reply), self._zone() or UTC, bytes_=self.cost == "byte"),
            readers=keys.readers(self.key, self.ipv4_prefix, self.ipv6_prefix, self.geoip, self.delimiters),
        )
        object.__setattr__(self, "_prepared", prepared)
        object.__setattr__(self, "_told", LimitTold(self.notices))

    def _rule(self, limits: tuple[Limit, ...]) -> str:
        rates = (f"{one.count}/{one.stretch or one.period_s}" for one in limits)
        zone = [self.zone] if any(one.stretch for one in limits) else []
        prefixes = (self.ipv4_prefix, self.ipv6_prefix)
        network = [str(prefixes)] if "client_network" in self.key and prefixes != (24, 64) else []
        return keys.digest(self.name, self.stage, self.cost, *self.key, *rates, *zone, *network)

    def _asked_at(self, overrides: Overrides) -> frozenset[Stage]:
        stages = {_STAGES[self.stage]}
        if self.early or self.reserve:
            stages.add(Stage.RCPT)
        most = self.stage == "rcpt" and (self.tables or any(terms.max_recipients for terms in overrides.all))
        if self.reserve or most:
            stages.add(Stage.DATA)
        return frozenset(stages)

    def _zone(self) -> tzinfo | None:
        try:
            return zone_of(self.zone)
        except ValueError:
            return None

    @property
    def stages(self) -> frozenset[Stage]:
        """That of `stage`, RCPT for `early`, RCPT and DATA for `reserve`, DATA where recipients are limited."""
        return self._prepared.stages

    def problems(self) -> Iterator[str]:
        """Contradictions among the options."""
        yield from limit_problems(self.limits)
        yield from self._key_problems()
        if self.cost == "byte" and self.stage != "end_of_message":
            yield 'cost: how many bytes there are is known at stage = "end_of_message"'
        for option_, given in (("early", self.early), ("reserve", self.reserve)):
            if given and self.stage == "rcpt":
                yield f'{option_}: stage is RCPT already; use stage = "data" or "end_of_message"'
        if self.early and self.reserve:
            yield "early: reserve does more; leave early out"
        yield from keys.geo_problems(self.key, self.geoip)
        if self._zone() is None:
            yield f"zone: {self.zone!r} is no time zone such as Europe/Paris"
        yield from name_problems("exempt", self.exempt)
        yield from name_problems("overrides", self.overrides)
        yield from self._prepared.tables.faults("tables")
        if self.reply is not None and self.action != "defer":
            yield "action: says nothing beside reply; leave one of them out"
        if wrong := self._reply_problems():
            yield f"reply: {'; '.join(wrong)}"

    def _key_problems(self) -> Iterator[str]:
        if not self.key:
            yield "key: must name at least one attribute"
        for name in sorted(keys.OF_ONE_RECIPIENT.intersection(self.key)) if self.stage != "rcpt" else ():
            yield f'key: {name} is not known at {_STAGES[self.stage].value}; use stage = "rcpt"'
        if self.notices.user and self.key != ("sasl_username",):
            yield 'notices.user: who is counted is no user of ours unless key is ["sasl_username"]'

    def _reply_problems(self) -> list[str]:
        stages = {_STAGES[self.stage], *([Stage.RCPT] if self.early or self.reserve else [])}
        return [] if self.reply is None else list(problems(self.reply, stages, PLACEHOLDERS))

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """Charge all windows or none. TempFail from the store is not caught: `on_error` is the admin's."""
        who = keys.identity(self._prepared.readers, txn)
        if not who:
            return PASS
        verdict = await self._judged(who, txn, services)
        if verdict is not PASS and verdict.reason not in {"", "exempt"} and self._told:
            await self._told.post(self.subject(who), who, verdict, txn, services)
        return verdict

    async def _judged(self, who: str, txn: Transaction, services: Services) -> Verdict:
        terms = await self.terms(txn, services)
        if terms.exempt:
            return passed(reason="exempt")
        if 0 < terms.max_recipients < txn.recipient_count:
            text = f"{txn.recipient_count} recipients in a message are more than {terms.max_recipients}"
            return reject("5.5.3", text, "max_recipients")
        if txn.recipient_count and self.stage == "rcpt":
            return PASS  # DATA: asked for the number of recipients alone
        if self.reserve and txn.instance:
            return await self._reserved(who, terms, txn, services)
        return await self._charged(who, terms, txn, services)

    async def close(self) -> None:
        """See `Closing`."""
        await self._prepared.tables.close()

    async def finish(self) -> None:
        """See `Finishing`: wait until all notices are sent or given up."""
        await self._told.finish()

    def succeed(self, former: RateLimit) -> None:
        """See `Succeeding`: reservations of before are settled as they were."""
        self._prepared.witness.settled |= former._prepared.witness.settled and self.stage == former.stage

    async def _charged(self, who: str, terms: Terms, txn: Transaction, services: Services) -> Verdict:
        now, subject, refusals = services.clock(), self.subject(who), self._prepared.refusals
        windows = self.windows(terms, now)
        if (self.early or self.reserve) and not txn.recipient_count:  # RCPT: to look is free
            charge = await services.store.charge(subject, windows, 0, now)
            return PASS if charge.remaining else refusals.nothing_left(who, txn, terms, charge, now)
        cost = self._cost(txn)
        charge = await services.store.charge(subject, windows, cost, now, self._once(subject, txn))
        return PASS if charge.allowed else refusals.refusal(who, txn, terms, charge, cost)

    def windows(self, terms: Terms, now: float) -> tuple[Window, ...]:
        """What *terms* are at *now*."""
        return terms.windows(now, self._prepared.zone)

    def subject(self, who: str) -> str:
        """How the store names the counters of *who*."""
        return f"{self._prepared.rule}:{who}"

    async def terms(self, txn: Transaction, services: Services) -> Terms:
        """The configuration's for those whom it names, else the tables'."""
        prepared = self._prepared
        recipient = keys.mailbox(txn.recipient, self.delimiters) if prepared.recipients else ""
        terms = prepared.overrides.of(txn, recipient)
        if prepared.tables and terms is prepared.overrides.base:
            return await prepared.tables.of(txn, recipient, terms, services)
        return terms

    async def _reserved(self, who: str, terms: Terms, txn: Transaction, services: Services) -> Verdict:
        """Hold or settle what the message costs. A repeated request finds what the first one has done."""
        now, subject, witness = services.clock(), self.subject(who), self._prepared.witness
        windows = self.windows(terms, now)
        settle = settles(txn, _STAGES[self.stage])
        witness.note(settle, services.log)
        more = self.cost == "recipient" and not txn.recipient_count
        hold = hold_of(txn, settle=settle, more=more, keep_s=self.reserve_for, lapse=witness.settled)
        once = self._once(subject, txn) if settle or more else ""
        once += "\nsettled" if settle else ""  # the only recipient of a message is named at DATA as at RCPT
        cost = self._cost(txn) if settle else max(1, self._cost(txn))  # a size is not always declared
        charge = await services.store.hold(subject, windows, hold, cost, now, once)
        if charge.allowed:
            return PASS
        if more and math.isinf(charge.retry_after_s):  # beside the other recipients of this message
            return self._prepared.refusals.nothing_left(who, txn, terms, charge, now)
        return self._prepared.refusals.refusal(who, txn, terms, charge, cost)

    def _cost(self, txn: Transaction) -> int:
        if self.cost == "byte":
            return txn.size_bytes
        return max(1, txn.recipient_count) if self.cost == "recipient" else 1

    def _once(self, subject: str, txn: Transaction) -> str:
        """The same for a repeated request and for nothing else; "" where Postfix names no instance.

        An instance is one message: recipients, states and positions that ask about it are told apart."""
        if not txn.instance:
            return ""
        recipient = txn.recipient if self.cost == "recipient" else ""
        # pid.sec.usec.seq, the clock first: a store may keep what is young together.
        pid, _, clock = txn.instance.partition(".")
        return "\n".join((clock, pid, subject, txn.policy_context, txn.client_address, recipient))
