"""ratelimit - no more than so many recipients or messages in so much time, by login, address or network.

Several windows are charged together or not at all, by the store and in one step (GCRA: a window of 100/1h
lets 100 through at once and then one each 36 s). A request that Postfix repeats because our reply was lost is
charged once. What stands at VRFY, ETRN or before RCPT is never counted.

It counts what was let through at RCPT or DATA; that a message is refused later gives nothing back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from policyd.keys import OF_ONE_RECIPIENT, KeyName, digest, identity
from policyd.wording import Wording, parse, problems
from tamis.check import Services
from tamis.config.schema import Rate, option
from tamis.store import Charge, Window
from tamis.transaction import Stage, Transaction
from tamis.verdict import PASS, Verdict, reject

MAX_LIMITS = 8  # each is a row to read and to write for every request

PLACEHOLDERS = ("sender", "recipient", "client_address", "sasl_username", "key", "limit", "retry_after")

_STAGES = {"rcpt": Stage.RCPT, "data": Stage.DATA}
_REPLIES = {
    "defer": "DEFER_IF_PERMIT 4.7.1 Limit of {limit} reached, try again in {retry_after}",
    "reject": "REJECT 5.7.1 Limit of {limit} reached",
}


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What every run needs and only the options decide.

    rule: stands for what the counters mean: neither the table's name nor another reply resets them."""

    rule: str
    stages: frozenset[Stage]
    windows: tuple[Window, ...]
    wording: Wording


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Its fields are its options: ``[policyd.checks.NAME]`` with ``check = "ratelimit"``."""

    limits: tuple[Rate, ...] = option((), 'all of them hold: ["100/1h", "500/1d"]')
    key: tuple[KeyName, ...] = option(
        ("sasl_username",), "who is counted; several names count the combination"
    )
    cost: Literal["recipient", "message"] = option("recipient", "what is counted")
    stage: Literal["rcpt", "data"] = option(
        "rcpt", "rcpt refuses single recipients, data (smtpd_data_restrictions) the message"
    )
    action: Literal["defer", "reject"] = option("defer", "come back later, or never")
    reply: str | None = option(
        None,
        "access(5) action in your words, instead of action; may hold "
        + " ".join(f"{{{p}}}" for p in PLACEHOLDERS),
    )

    name: ClassVar[str] = "ratelimit"
    _prepared: _Prepared = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        reply = _REPLIES[self.action] if self.reply is None or self._reply_problems() else self.reply
        rule = digest(
            self.name, self.stage, self.cost, *self.key, *(f"{r.count}/{r.period_s}" for r in self.limits)
        )
        prepared = _Prepared(
            rule=f"{self.name}:{rule[:12]}",
            stages=frozenset({_STAGES[self.stage]}),
            windows=tuple(Window(r.count, r.period_s) for r in self.limits),
            wording=parse(reply),
        )
        object.__setattr__(self, "_prepared", prepared)

    @property
    def stages(self) -> frozenset[Stage]:
        """The one that the option `stage` names."""
        return self._prepared.stages

    def problems(self) -> Iterator[str]:
        """Contradictions among the options."""
        if not 1 <= len(self.limits) <= MAX_LIMITS:
            yield f'limits: needs 1 to {MAX_LIMITS} rates such as "100/1h", not {len(self.limits)}'
        if not self.key:
            yield "key: must name at least one attribute"
        for name in sorted(OF_ONE_RECIPIENT.intersection(self.key)) if self.stage == "data" else ():
            yield f'key: {name} is not known at DATA; use stage = "rcpt"'
        if self.reply is not None and self.action != "defer":
            yield "action: says nothing beside reply; leave one of them out"
        if wrong := self._reply_problems():
            yield f"reply: {'; '.join(wrong)}"

    def _reply_problems(self) -> list[str]:
        return [] if self.reply is None else list(problems(self.reply, [_STAGES[self.stage]], PLACEHOLDERS))

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """Charge all windows or none. TempFail from the store is not caught: `on_error` is the admin's."""
        who = identity(self.key, txn)
        if not who:
            return PASS
        prepared = self._prepared
        cost = max(1, txn.recipient_count) if self.cost == "recipient" and self.stage == "data" else 1
        subject = f"{prepared.rule}:{who}"
        charge = await services.store.charge(
            subject, prepared.windows, cost, services.clock(), self._once(subject, txn)
        )
        if charge.allowed:
            return PASS
        if math.isinf(charge.retry_after_s):  # no waiting helps: to defer would only hide it for days
            return reject("5.5.3", f"{cost} recipients are more than may be sent at once", "over_burst")
        return self._objection(who, txn, charge)

    def _once(self, subject: str, txn: Transaction) -> str:
        """The same for a repeated request and for nothing else; "" where Postfix names no instance.

        An instance is one message: recipients, states and positions that ask about it are told apart."""
        if not txn.instance:
            return ""
        recipient = txn.recipient if self.cost == "recipient" else ""
        # pid.sec.usec.seq, the clock first: a store may keep what is young together.
        pid, _, clock = txn.instance.partition(".")
        return "\n".join((clock, pid, subject, txn.policy_context, txn.client_address, recipient))

    def _objection(self, who: str, txn: Transaction, charge: Charge) -> Verdict:
        limit = str(self.limits[charge.window])
        values = {
            "sender": txn.sender or "<>",
            "recipient": txn.recipient,
            "client_address": txn.client_address,
            "sasl_username": txn.sasl_username,
            "key": who,
            "limit": limit,
            "retry_after": duration(charge.retry_after_s),
        }
        return self._prepared.wording.verdict(values, f"over_{limit}")


def duration(seconds: float) -> str:
    """*seconds* for a reader, rounded up: ``90 seconds``, ``25 minutes``, ``7 hours``."""
    for unit_s, name in ((1, "second"), (60, "minute"), (3600, "hour")):
        if seconds <= 120 * unit_s or name == "hour":
            count = max(1, math.ceil(seconds / unit_s))
            break
    return f"{count} {name}{'s' if count > 1 else ''}"
