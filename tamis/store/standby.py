"""standby - while the store is away, each process counts rate limits alone: by option, in place of a failure.

A limit then holds for each process and not for all together, and what was counted before is not known: somewhat more
passes than it says, and never all of it. Only charges, and what messages hold, are stood in for. Who waits and who was
seen cannot be guessed: those fail, and `on_error` of the check decides.

After a failure the store is left alone for a second, so a server that hangs costs one request its time and not all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from tamis.errors import TempFail
from tamis.store import Store
from tamis.store.memory import MemoryStore
from tamis.store.wrapped import WrappedStore

T = TypeVar("T")

PAUSE_S = 1.0
MAX_ENTRIES = 100_000  # some 40 MB; then all is forgotten, for nobody shall fill our memory
STOOD_IN = frozenset({"charge", "hold"})


class StandbyStore(WrappedStore):
    """*store*, with a `MemoryStore` behind it: the verbs `STOOD_IN` never raise TempFail."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._local = MemoryStore()
        self._away_until_s = 0.0

    async def answer(self, verb: str, ask: Callable[[Store], Awaitable[T]]) -> T:
        """See `WrappedStore.answer`."""
        if verb not in STOOD_IN:
            return await ask(self._store)
        if monotonic() >= self._away_until_s:
            try:
                return await ask(self._store)
            except TempFail:
                self._away_until_s = monotonic() + PAUSE_S
        return await ask(self._here())

    def _here(self) -> MemoryStore:
        if self._local.entries > MAX_ENTRIES:
            self._local = MemoryStore()
        return self._local
