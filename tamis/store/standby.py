"""standby - while the store is away, each process counts rate limits alone: by option, in place of a failure.

A limit then holds for each process and not for all together, and what was counted before is not known: somewhat more
passes than it says, and never all of it. Only charges are stood in for. Who waits and who was seen cannot be guessed:
those fail, and `on_error` of the check decides.

After a failure the store is left alone for a second, so a server that hangs costs one request its time and not all.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from tamis.errors import TempFail
from tamis.store import Acquaintance, Charge, Greylisted, Patience, Store, Window
from tamis.store.memory import MemoryStore

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
        if self._local.entries > MAX_ENTRIES:
            self._local = MemoryStore()
        return await self._local.charge(subject, windows, cost, now, once)

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

    async def close(self) -> None:
        """See `Store.close`."""
        await self._store.close()
