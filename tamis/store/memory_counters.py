"""memory_counters - the verbs about counters of the store in one process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tamis.store import Charge, Window
from tamis.store.attempt import name_of
from tamis.store.bucket import GRANT, MICROS, ONCE_US, Bucket
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

    async def hold(
        self, subject: str, windows: Sequence[Window], hold: Hold, cost: int, now: float, once: str = ""
    ) -> Charge:
        """See `Counters.hold`."""
        holding = Holding.of(subject, windows, hold, cost, now, once)
        attempt = holding.attempt
        key = (attempt.name, attempt.once)
        if attempt.once and (known := self._answers.get(key)) and attempt.now_us / MICROS < known[0]:
            return replace(known[1], repeated=True)
        keys = [(attempt.name, limit.rate) for limit in attempt.limits]
        buckets = [self._bucket(each) for each in keys]
        entries = self._entries(attempt.name)
        charge, filled, kept = decide_held(holding, buckets, entries, self._bucket((attempt.name, GRANT)))
        for each, limit, bucket in zip(keys, attempt.limits, filled, strict=False):
            self._buckets[each] = (limit.lasts_until(bucket) / MICROS, bucket)
        if kept:
            self._held[attempt.name] = ((attempt.now_us + holding.life) / MICROS, kept)
        else:
            self._held.pop(attempt.name, None)
        if attempt.once:
            self._answers[key] = ((attempt.now_us + ONCE_US) / MICROS, charge)
        self._sweep(now)
        return charge

    async def usage(self, subject: str, windows: Sequence[Window], now: float) -> Usage:
        """See `Counters.usage`."""
        look = Look.of(subject, windows, now)
        buckets = [self._bucket((look.name, limit.rate)) for limit in look.limits]
        entries, grant = self._entries(look.name), self._bucket((look.name, GRANT))
        return usage(look.limits, buckets, entries, grant, look.now)

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

    def _bucket(self, key: tuple[str, str]) -> Bucket | None:
        return entry[1] if (entry := self._buckets.get(key)) else None

    def _entries(self, name: str) -> list[Entry]:
        return entry[1] if (entry := self._held.get(name)) else []
