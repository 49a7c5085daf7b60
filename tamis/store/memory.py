"""memory - the store of demonstrations and tests: one process, forgotten when it ends."""

from __future__ import annotations

from typing import TypeVar

from tamis.store import Acquaintance, Greylisted, Patience
from tamis.store.attempt import Sight
from tamis.store.bucket import MICROS, SKEW_US
from tamis.store.greylist import CLIENT, Inquiry, Row, Visit, decide
from tamis.store.memory_accounts import MemoryAccounts
from tamis.store.memory_counters import MemoryCounters
from tamis.store.memory_tallies import MemoryTallies

K = TypeVar("K")
V = TypeVar("V")

FIRST_SWEEP = 1024


class MemoryStore(MemoryAccounts, MemoryCounters, MemoryTallies):
    """Dictionaries. Each entry begins with the second after which it says nothing any more."""

    def __init__(self) -> None:
        MemoryAccounts.__init__(self)
        MemoryCounters.__init__(self)
        MemoryTallies.__init__(self)
        self._seen: dict[str, tuple[float, float]] = {}
        self._greylist: dict[tuple[str, str], tuple[float, Row]] = {}
        self._sweep_at = FIRST_SWEEP

    async def first_seen(self, key: str, now: float, keep_s: float) -> float:
        """See `Store.first_seen`."""
        sight = Sight.of(key, now, keep_s)
        expires, first = self._seen.get(sight.name, (now, now))
        first = sight.first(first, expires)
        self._seen[sight.name] = (sight.expires, first)
        self._sweep(now)
        return first

    async def greylist(
        self, client: str, errand: str, patience: Patience, now: float, once: str = ""
    ) -> Greylisted:
        """See `Store.greylist`."""
        visit = Visit.of(client, errand, patience, now, once)
        keys = [(visit.client, name) for name in visit.names()]
        one, two, three = (entry[1] if (entry := self._greylist.get(key)) else None for key in keys)
        answer, rows = decide(visit, (one, two, three))
        for key, row in zip(keys, rows, strict=True):
            if row is not None:
                self._greylist[key] = (row[2] / MICROS, row)
        self._sweep(now)
        return answer

    async def greylist_client(
        self, client: str, now: float, passes: int | None = None, keep_s: float = 0.0
    ) -> Acquaintance:
        """See `Store.greylist_client`."""
        inquiry = Inquiry.of(client, now, passes, keep_s)
        key = (inquiry.client, CLIENT)
        if inquiry.row is not None:
            self._greylist[key] = (inquiry.row[2] / MICROS, inquiry.row)
        return inquiry.answer(entry[1] if (entry := self._greylist.get(key)) else None)

    async def close(self) -> None:
        """See `Store.close`."""

    def _sweep(self, now: float) -> None:
        """Forget what has expired whenever the store has doubled: on average one look at each entry."""
        if self.entries < self._sweep_at:
            return
        oldest = now - SKEW_US / MICROS
        self._buckets = _live(self._buckets, oldest)
        self._answers = _live(self._answers, oldest)
        self._held = _live(self._held, oldest)
        self._seen = _live(self._seen, oldest)
        self._greylist = _live(self._greylist, oldest)
        self._sweep_accounts(oldest)
        self._sweep_tallies(oldest)
        self._sweep_at = max(FIRST_SWEEP, 2 * self.entries)

    @property
    def entries(self) -> int:
        """How many things are remembered."""
        known = (
            len(self._buckets) + len(self._answers) + len(self._seen) + len(self._greylist) + len(self._held)
        )
        return known + len(self._accounts) + sum(book.lines for book in self._books.values())


def _live(entries: dict[K, tuple[float, V]], oldest: float) -> dict[K, tuple[float, V]]:
    return {key: entry for key, entry in entries.items() if entry[0] >= oldest}
