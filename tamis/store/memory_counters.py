"""memory_counters - the verbs about counters of the store in one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tamis.store import Charge, Window
from tamis.store.attempt import Attempt, name_of
from tamis.store.bucket import GRANT, MICROS, ONCE_US, Bucket, Limit, decide
from tamis.store.counters import Hold, Usage
from tamis.store.holding import Entry, Holding, decide_held, usage
from tamis.store.inquiries import Grant, Look, named


class MemoryCounters:
    """See `tamis.store.counters.Counters`."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], tuple[float, Bucket]] = {}
        self._answers: dict[tuple[str, str], tuple[float, Charge]] = {}
        self._held: dict[str, tuple[float, list[Entry]]] = {}

    def _sweep(self, now: float) -> None:
        raise NotImplementedError

    async def charge(
        self, subject: str, windows: Sequence[Window], cost: int, now: float, once: str = ""
    ) -> Charge:
        """See `Store.charge`."""
        return self._once(Attempt.of(subject, windows, cost, now, once), self._charge)

    async def hold(
        self, subject: str, windows: Sequence[Window], hold: Hold, cost: int, now: float, once: str = ""
    ) -> Charge:
        """See `Counters.hold`."""
        holding = Holding.of(subject, windows, hold, cost, now, once)
        return self._once(holding.attempt, lambda _: self._hold(holding))

    def _once(self, attempt: Attempt, work: Callable[[Attempt], Charge]) -> Charge:
        """What *work* answers, or has answered to the same attempt."""
        key = (attempt.name, attempt.once)
        now = attempt.now_us / MICROS
        if attempt.once and (known := self._answers.get(key)) and now < known[0]:
            return replace(known[1], repeated=True)
        charge = work(attempt)
        if attempt.once:
            self._answers[key] = ((attempt.now_us + ONCE_US) / MICROS, charge)
        self._sweep(now)
        return charge

    def _charge(self, attempt: Attempt) -> Charge:
        name, limits = attempt.name, attempt.limits
        buckets, grant = self._buckets_of(name, limits)
        charge, filled = decide(limits, buckets, attempt.cost, attempt.now_us, grant)
        self._fill(name, limits, filled)
        return charge

    def _hold(self, holding: Holding) -> Charge:
        name, limits = holding.attempt.name, holding.attempt.limits
        buckets, grant = self._buckets_of(name, limits)
        charge, filled, kept = decide_held(holding, buckets, self._entries(name), grant)
        self._fill(name, limits, filled)
        if kept:
            self._held[name] = ((holding.attempt.now_us + holding.life) / MICROS, kept)
        else:
            self._held.pop(name, None)
        return charge

    async def usage(self, subject: str, windows: Sequence[Window], now: float) -> Usage:
        """See `Counters.usage`."""
        look = Look.of(subject, windows, now)
        buckets, grant = self._buckets_of(look.name, look.limits)
        return usage(look.limits, buckets, self._entries(look.name), grant, look.now)

    async def reset(self, subject: str, windows: Sequence[Window]) -> None:
        """See `Counters.reset`."""
        look = Look.of(subject, windows, 0.0)
        for rate in (*(limit.rate for limit in look.limits), GRANT):
            self._buckets.pop((look.name, rate), None)
        self._held.pop(look.name, None)

    async def grant(self, subject: str, units: int, until: float, now: float) -> None:
        """See `Counters.grant`."""
        grant = Grant.of(units, until, now)
        key = (name_of(subject), GRANT)
        self._buckets.pop(key, None)
        if grant.units:
            self._buckets[key] = (grant.until / MICROS, (grant.units, grant.until))

    async def subjects(self, prefix: str, most: int) -> tuple[tuple[str, ...], bool]:
        """See `Counters.subjects`."""
        found = sorted({name for name, _ in self._buckets if named(name, prefix)})
        return tuple(found[:most]), len(found) <= most

    def _buckets_of(
        self, name: str, limits: Sequence[Limit]
    ) -> tuple[Sequence[Bucket | None], Bucket | None]:
        """The buckets of a subject, and what it was granted."""
        rates = (*(limit.rate for limit in limits), GRANT)
        entries = [self._buckets.get((name, rate)) for rate in rates]
        *buckets, grant = (entry[1] if entry else None for entry in entries)
        return buckets, grant

    def _fill(self, name: str, limits: Sequence[Limit], filled: Sequence[Bucket]) -> None:
        """Write the buckets of *limits*, or none of them."""
        for limit, bucket in zip(limits, filled, strict=False):
            self._buckets[name, limit.rate] = (limit.lasts_until(bucket) / MICROS, bucket)

    def _entries(self, name: str) -> list[Entry]:
        return entry[1] if (entry := self._held.get(name)) else []
