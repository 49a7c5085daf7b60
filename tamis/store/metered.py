"""metered - a store whose every answer and failure is counted; it changes neither."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from time import monotonic
from typing import TypeVar

from tamis import metrics
from tamis.errors import TempFail
from tamis.store import Acquaintance, Charge, Greylisted, Patience, Store, Window

T = TypeVar("T")


class MeteredStore:
    """*store* under the name *backend* in the metrics."""

    def __init__(self, store: Store, backend: str) -> None:
        self._store = store
        self._backend = backend
        metrics.declare_store(backend)

    async def charge(
        self, subject: str, windows: Sequence[Window], cost: int, now: float, once: str = ""
    ) -> Charge:
        """See `Store.charge`."""
        return await self._observed("charge", self._store.charge(subject, windows, cost, now, once))

    async def first_seen(self, key: str, now: float, keep_s: float) -> float:
        """See `Store.first_seen`."""
        return await self._observed("first_seen", self._store.first_seen(key, now, keep_s))

    async def greylist(
        self, client: str, errand: str, patience: Patience, now: float, once: str = ""
    ) -> Greylisted:
        """See `Store.greylist`."""
        return await self._observed("greylist", self._store.greylist(client, errand, patience, now, once))

    async def greylist_client(
        self, client: str, now: float, passes: int | None = None, keep_s: float = 0.0
    ) -> Acquaintance:
        """See `Store.greylist_client`."""
        return await self._observed(
            "greylist_client", self._store.greylist_client(client, now, passes, keep_s)
        )

    async def close(self) -> None:
        """See `Store.close`."""
        await self._store.close()

    async def _observed(self, operation: str, answer: Awaitable[T]) -> T:
        """A caller who goes away is neither an answer nor a failure of the store."""
        started = monotonic()
        try:
            result = await answer
        except TempFail:
            metrics.observe_store(self._backend, operation, monotonic() - started, ok=False)
            raise
        metrics.observe_store(self._backend, operation, monotonic() - started, ok=True)
        return result
