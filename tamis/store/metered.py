"""metered - a store whose every answer and failure is counted; it changes neither."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from tamis import metrics
from tamis.errors import TempFail
from tamis.store import Store
from tamis.store.wrapped import WrappedStore

T = TypeVar("T")


class MeteredStore(WrappedStore):
    """*store* under the name *backend* in the metrics."""

    def __init__(self, store: Store, backend: str) -> None:
        super().__init__(store)
        self._backend = backend
        metrics.declare_store(backend)

    async def answer(self, verb: str, ask: Callable[[Store], Awaitable[T]]) -> T:
        """A caller who goes away is neither an answer nor a failure of the store."""
        started = monotonic()
        try:
            result = await ask(self._store)
        except TempFail:
            metrics.observe_store(self._backend, verb, monotonic() - started, ok=False)
            raise
        metrics.observe_store(self._backend, verb, monotonic() - started, ok=True)
        return result
