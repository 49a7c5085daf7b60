"""outbound - an account in the wrong hands is noticed, slowed down, its mail held, and in the end it is locked.

    [policyd.checks.outbound]
    hold = 70                                       # at which score; warn 30, slow 50, lock 100
    lock_for = ["1h", "6h", "24h", "0s"]            # each lock in a row lasts longer; 0s: until it is unlocked
    notices = { admin = ["postmaster@example.org"], user = "{account}" }

A thief writes to many who were never written to, to some who do not exist, from many places, often from an account
that has slept: see `policyd.checks.outbound_signals`. An account is a login; nothing else is asked about, and nothing
that a client says changes whose account it is. The store remembers and counts in one step. Whoever brings an account to
a stage, one request of all processes, tells the admin and the user, once for as long as the stage is held against it.

A lock ends by itself or by `tamis limit unlock`. What was done before it counts no more, so nobody is locked twice for
the same deed. Recipients that this check has deferred are not counted as failed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import ClassVar

from policyd import answers, providers
from policyd.answers import Answer
from policyd.checks import outbound_answers
from policyd.checks.outbound_answers import PLACEHOLDERS
from policyd.checks.outbound_signals import HOLD, LOCK, SLOW, WARN, Asked, Counts, Signals, asked
from policyd.checks.ratelimit_windows import duration
from policyd.keys import word
from policyd.notices import STAGE_NAMES, Notice, Notices, NoticesConfig
from policyd.providers import Providers
from tamis.check import Services
from tamis.clients import Address, address, within
from tamis.config.schema import Duration, Network, Rate, option
from tamis.store import Window
from tamis.store.accounts import Conduct, Count, Settlement, Sighting, Standing
from tamis.transaction import Stage, Transaction, domain_of
from tamis.verdict import PASS, Verdict, passed

SUBJECT = "outbound:"  # how the names of accounts begin in the store
_RATE = Rate(10, 600.0)
_LONG_S = 1000 * 3600.0


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What every run needs and only the options decide."""

    asked: dict[str, Asked]
    answers: dict[int, Answer]
    country: Callable[[str], str] | None
    lives_s: tuple[float, ...]
    exempt: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """Its fields are its options: ``[policyd.checks.outbound]``."""

    warn: int = option(30, "score at which the admin is told; 0: never", at_least=0)
    slow: int = option(50, "score at which the account is slowed down to slow_to; 0: never", at_least=0)
    hold: int = option(70, "score at which its mail goes on hold; 0: never", at_least=0)
    lock: int = option(100, "score at which it is locked; 0: never", at_least=0)
    signals: Signals = option(Signals(), "what is suspicious, and how much")
    slow_to: Rate = option(_RATE, "recipients of an account that is slowed down")
    lock_for: tuple[Duration, ...] = option(
        (Duration(3600.0), Duration(6 * 3600.0), Duration(86400.0), Duration(0.0)),
        "the first lock, the second in a row, and so on, the last for all others; 0s: until it is unlocked",
    )
    forgive: Duration = option(
        Duration(30 * 86400.0), "so long without a lock, and the next one is the first again"
    )
    tell_again: Duration = option(
        Duration(86400.0), "a stage is told of once in so long", at_least=60, at_most=30 * 86400
    )
    warn_answer: str = option(
        "pass", 'pass or "PREPEND NAME: VALUE"; ' + " ".join(f"{{{p}}}" for p in PLACEHOLDERS)
    )
    slow_answer: str = option("defer", "defer or 4NN in your words; the same placeholders")
    hold_answer: str = option("hold", "hold, or any access(5) action in your words")
    lock_answer: str = option("defer", "defer, reject or an access(5) action in your words")
    silence: Duration = option(Duration(30 * 86400.0), "after so long an account has slept", at_least=3600)
    remember: Duration = option(
        Duration(90 * 86400.0), "a recipient that was not written to for so long is new again", at_least=3600
    )
    remember_at_most: int = option(
        1000, "recipients of an account; with so many nobody is new any more", at_least=10, at_most=5000
    )
    geoip: Path | None = option(None, "a MaxMind file of countries, for signals.countries")
    home_countries: tuple[str, ...] = option(
        (), 'countries that count nothing, for our users live there: "FR"'
    )
    ignored_networks: tuple[Network, ...] = option(
        (), "clients whose place says nothing: webmail, services that log in for their users"
    )
    ignored_providers: tuple[str, ...] = option(
        (),
        "the same by the SPF records of domains, looked up beside the requests: services that fetch and send mail",
    )
    exempt: tuple[str, ...] = option((), 'accounts that are not asked about: logins, or "@example.org"')
    notices: NoticesConfig = option(NoticesConfig(), "who is told")

    name: ClassVar[str] = "outbound"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.RCPT, Stage.DATA})
    _prepared: _Prepared = field(init=False, repr=False, compare=False)
    _notices: Notices = field(init=False, repr=False, compare=False)
    _providers: Providers = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        made = outbound_answers.made(self._texts())
        lives = tuple(life or math.inf for life in self.lock_for)
        sets = asked(self.signals, self.remember, self.remember_at_most)
        exempt = frozenset(each.lower() for each in self.exempt)
        prepared = _Prepared(sets, made, _countries(self.geoip), lives, exempt)
        object.__setattr__(self, "_prepared", prepared)
        object.__setattr__(self, "_notices", Notices(self.notices))
        of = providers.domains(self.ignored_providers)
        object.__setattr__(self, "_providers", Providers(of))

    def _texts(self) -> dict[int, str]:
        return {
            WARN: self.warn_answer,
            SLOW: self.slow_answer,
            HOLD: self.hold_answer,
            LOCK: self.lock_answer,
        }

    def problems(self) -> Iterator[str]:
        """Stages in the wrong order, answers that cannot be given, sets that are too small for what is counted."""
        reached = [score for score in (self.warn, self.slow, self.hold, self.lock) if score]
        if reached != sorted(set(reached)):
            yield "lock: warn, slow, hold and lock must rise in this order"
        if not self.lock_for:
            yield "lock_for: must name at least one life"
        for name in ("recipients", "first_contacts", "awakened"):
            if getattr(self.signals, name).many > self.remember_at_most:
                yield f"remember_at_most: is below signals.{name}.many, which is never reached"
        yield from outbound_answers.problems(self._texts(), self._prepared.answers, self.stages)
        yield from providers.problems(self.ignored_providers, "ignored_providers")
        for each in self.home_countries:
            if not (len(each) == 2 and each.isascii() and each.isalpha() and each.isupper()):
                yield f"home_countries: {each!r} is no country such as FR"
        for each in self.exempt:
            if not each.strip("@"):
                yield f"exempt: {each!r} is nobody"

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """Remember, count and judge. TempFail from the store is not caught: `on_error` is the admin's."""
        login = txn.sasl_username.lower()
        if not login:
            return PASS
        if self._is_exempt(login):
            return passed(reason="exempt")
        account, now = account_of(login), services.clock()
        sightings = self._sightings(txn)
        conduct = await services.store.watch(account, sightings, now, self.silence, self._settlement(txn))
        standing, counts = conduct.standing, self._counts(conduct, now)
        if standing.locked_until > now:
            return self._objection(LOCK, txn, counts, standing.locked_until - now, "locked")
        worth = self.signals.weigh(counts)
        stage = self._stage(sum(worth.values()))
        if not stage:
            return PASS
        if stage > standing.stage or stage == LOCK:
            lives = self._prepared.lives_s if stage == LOCK else ()
            standing = await services.store.escalate(
                account, stage, self.tell_again, now, lives, self.forgive
            )
            if standing.raised:
                self._tell(stage, login, txn, counts, standing, services)
        if stage == SLOW:
            return await self._slowed(account, txn, counts, services)
        return self._objection(stage, txn, counts, standing.locked_until - now, STAGE_NAMES[stage - 1])

    def _is_exempt(self, login: str) -> bool:
        names = self._prepared.exempt
        return login in names or f"@{domain_of(login)}" in names

    def _sightings(self, txn: Transaction) -> list[Sighting]:
        """At DATA nobody new is seen: all recipients were asked about."""
        values = {}
        if not txn.recipient_count:
            values = {
                "first_contacts": txn.recipient.lower(),
                "failed": txn.recipient if txn.instance else "",
            }
        client = address(txn.client_address)
        if client and not self._says_nothing(client):
            country = self._prepared.country
            values["networks"] = txn.client_network()
            place = country(str(client)) if country else ""
            values["countries"] = "" if place in self.home_countries else place
        return [
            one.sighting(values.get(name, ""), txn.instance if name == "failed" else "")
            for name, one in self._prepared.asked.items()
        ]

    def _says_nothing(self, client: Address) -> bool:
        return within(client, self.ignored_networks) or self._providers.holds(str(client))

    def _settlement(self, txn: Transaction) -> Settlement | None:
        if not (txn.recipient_count and txn.instance and "failed" in self._prepared.asked):
            return None
        return Settlement("failed", txn.instance, txn.recipient_count)

    def _counts(self, conduct: Conduct, now: float) -> Counts:
        found = dict(zip(self._prepared.asked, conduct.counts, strict=True))
        slept = not conduct.woke or now - conduct.woke >= self.signals.awakened.window
        nothing = Count(0, 0)
        return Counts(
            recipients=found.get("recipients", nothing).distinct,
            first_contacts=found["first_contacts"].new,
            failed=found.get("failed", nothing).distinct,
            networks=found.get("networks", nothing).distinct,
            countries=found.get("countries", nothing).distinct,
            awakened=0 if slept else found.get("awakened", nothing).distinct,
        )

    def _stage(self, score: float) -> int:
        """The highest that *score* reaches; 0 for none."""
        bounds = ((LOCK, self.lock), (HOLD, self.hold), (SLOW, self.slow), (WARN, self.warn))
        return next((stage for stage, bound in bounds if 0 < bound <= score), 0)

    async def _slowed(self, account: str, txn: Transaction, counts: Counts, services: Services) -> Verdict:
        """A few pass now and then; those of a message that has got its recipients do."""
        if txn.recipient_count:
            return passed(reason="slow")
        window = Window(self.slow_to.count, self.slow_to.period_s)
        once = "\n".join((txn.instance, txn.recipient, txn.policy_context)) if txn.instance else ""
        charge = await services.store.charge(f"{account}:slow", [window], 1, services.clock(), once)
        if charge.allowed:
            return passed(reason="slow")
        return self._objection(SLOW, txn, counts, charge.retry_after_s, "slow")

    def _objection(self, stage: int, txn: Transaction, counts: Counts, wait_s: float, reason: str) -> Verdict:
        worth = self.signals.weigh(counts)
        values = answers.values_of(txn) | {
            "score": f"{sum(worth.values()):.0f}",
            "signals": counts.brief(worth),
            "retry_after": duration(min(wait_s, _LONG_S)) if wait_s > 0 else "",
        }
        return self._prepared.answers[stage].verdict(values, reason)

    def _tell(
        self, stage: int, login: str, txn: Transaction, counts: Counts, standing: Standing, services: Services
    ) -> None:
        worth = self.signals.weigh(counts)
        notice = Notice(
            account=login,
            stage=STAGE_NAMES[stage - 1],
            score=sum(worth.values()),
            signals=counts.brief(worth),
            counts={f.name: getattr(counts, f.name) for f in fields(counts)},
            client_address=txn.client_address,
            locked_until=standing.locked_until,
            hostname=services.hostname,
            now=services.clock(),
        )
        services.log.warning(
            "account suspected",
            account=login,
            stage=notice.stage,
            score=round(notice.score),
            signals=notice.signals,
            client_address=txn.client_address,
        )
        if services.tells:
            self._notices.post(notice, services)

    async def attend(self, services: Services) -> None:
        """Keep the networks of `ignored_providers` fresh for as long as the check is in use."""
        await self._providers.keep_fresh(services)

    def succeed(self, former: Outbound) -> None:
        """See `Succeeding`: providers stay known until they have been looked up again."""
        self._providers.take_over(former._providers)

    async def finish(self) -> None:
        """Wait until all notices are sent or given up."""
        await self._notices.finish()


def account_of(login: str) -> str:
    """How the account of *login* is named in the store."""
    return f"{SUBJECT}{word(login)}"


def _countries(path: Path | None) -> Callable[[str], str] | None:
    """Where an address is. Raises ValueError for a file that cannot be used: the table does not load."""
    if path is None:
        return None
    from policyd.geo import Geo  # maxminddb is an extra

    return Geo.open(path).country
