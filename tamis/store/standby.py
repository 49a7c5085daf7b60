"""standby - while the store is away, each process counts rate limits alone: by option, in place of a failure.

A limit then holds for each process and not for all together, and what was counted before is not known: somewhat more
passes than it says, and never all of it. Only charges, and what messages hold, are stood in for. Who waits and who was
seen cannot be guessed: those fail, and `on_error` of the check decides.

After a failure the store is left alone for a second, so a server that hangs costs one request its time and not all.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from tamis.errors import TempFail
from tamis.store import Acquaintance, Charge, Greylisted, Patience, Store, Window
from tamis.store.accounts import Conduct, Settlement, Sighting, Standing
from tamis.store.counters import Hold, Usage
from tamis.store.memory import MemoryStore
from tamis.store.tallies import Bounds, Page

PAUSE_S = 1.0
MAX_ENTRIES = 100_000  # some 40 MB; then all is forgotten, for nobody shall fill our memory


class StandbyStore:
    """*store*, with a `MemoryStore` behind it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._local = MemoryStore()
        self._away_until_s = 0.0

    async def charge(
        self, subject: str, windows: Sequence[Window], cost: int, now: float, once: str = ""
    ) -> Charge:
        """See `Store.charge`; never raises TempFail."""
        if monotonic() >= self._away_until_s:
            try:
                return await self._store.charge(subject, windows, cost, now, once)
            except TempFail:
                self._away_until_s = monotonic() + PAUSE_S
        return await self._here().charge(subject, windows, cost, now, once)

    async def hold(
        self, subject: str, windows: Sequence[Window], hold: Hold, cost: int, now: float, once: str = ""
    ) -> Charge:
        """See `Counters.hold`; never raises TempFail."""
        if monotonic() >= self._away_until_s:
            try:
                return await self._store.hold(subject, windows, hold, cost, now, once)
            except TempFail:
                self._away_until_s = monotonic() + PAUSE_S
        return await self._here().hold(subject, windows, hold, cost, now, once)

    def _here(self) -> MemoryStore:
        if self._local.entries > MAX_ENTRIES:
            self._local = MemoryStore()
        return self._local

    async def first_seen(self, key: str, now: float, keep_s: float) -> float:
        """See `Store.first_seen`."""
        return await self._store.first_seen(key, now, keep_s)

    async def greylist(
        self, client: str, errand: str, patience: Patience, now: float, once: str = ""
    ) -> Greylisted:
        """See `Store.greylist`."""
        return await self._store.greylist(client, errand, patience, now, once)

    async def greylist_client(
        self, client: str, now: float, passes: int | None = None, keep_s: float = 0.0
    ) -> Acquaintance:
        """See `Store.greylist_client`."""
        return await self._store.greylist_client(client, now, passes, keep_s)

    async def watch(
        self,
        account: str,
        sightings: Sequence[Sighting],
        now: float,
        silence_s: float = 0.0,
        settlement: Settlement | None = None,
    ) -> Conduct:
        """See `Accounts.watch`."""
        return await self._store.watch(account, sightings, now, silence_s, settlement)

    async def escalate(
        self,
        account: str,
        stage: int,
        keep_s: float,
        now: float,
        lives_s: Sequence[float] = (),
        forgive_s: float = 0.0,
    ) -> Standing:
        """See `Accounts.escalate`."""
        return await self._store.escalate(account, stage, keep_s, now, lives_s, forgive_s)

    async def lock(self, account: str, life_s: float, now: float, stage: int = 1) -> Standing:
        """See `Accounts.lock`."""
        return await self._store.lock(account, life_s, now, stage)

    async def locked(self, now: float) -> tuple[tuple[str, Standing], ...]:
        """See `Accounts.locked`."""
        return await self._store.locked(now)

    async def usage(self, subject: str, windows: Sequence[Window], now: float) -> Usage:
        """See `Counters.usage`."""
        return await self._store.usage(subject, windows, now)

    async def reset(self, subject: str, windows: Sequence[Window]) -> None:
        """See `Counters.reset`."""
        await self._store.reset(subject, windows)

    async def grant(self, subject: str, units: int, until: float, now: float) -> None:
        """See `Counters.grant`."""
        await self._store.grant(subject, units, until, now)

    async def subjects(self, prefix: str, most: int) -> tuple[tuple[str, ...], bool]:
        """See `Counters.subjects`."""
        return await self._store.subjects(prefix, most)

    async def tally(self, book: str, page: str, heading: str, line: str, bounds: Bounds, now: float) -> bool:
        """See `Tallies.tally`."""
        return await self._store.tally(book, page, heading, line, bounds, now)

    async def pages(self, book: str) -> tuple[Page, ...]:
        """See `Tallies.pages`."""
        return await self._store.pages(book)

    async def lines(self, book: str, page: str) -> tuple[tuple[str, int], ...]:
        """See `Tallies.lines`."""
        return await self._store.lines(book, page)

    async def mark(self, book: str, page: str, expected: str, mark: str) -> bool:
        """See `Tallies.mark`."""
        return await self._store.mark(book, page, expected, mark)

    async def close(self) -> None:
        """See `Store.close`."""
        await self._store.close()
