"""metered - a store whose every answer and failure is counted; it changes neither."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from time import monotonic
from typing import TypeVar

from tamis import metrics
from tamis.errors import TempFail
from tamis.store import Acquaintance, Charge, Greylisted, Patience, Store, Window
from tamis.store.accounts import Conduct, Settlement, Sighting, Standing
from tamis.store.counters import Hold, Usage
from tamis.store.tallies import Bounds, Page

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

    async def watch(
        self,
        account: str,
        sightings: Sequence[Sighting],
        now: float,
        silence_s: float = 0.0,
        settlement: Settlement | None = None,
    ) -> Conduct:
        """See `Accounts.watch`."""
        return await self._observed(
            "watch", self._store.watch(account, sightings, now, silence_s, settlement)
        )

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
        return await self._observed(
            "escalate", self._store.escalate(account, stage, keep_s, now, lives_s, forgive_s)
        )

    async def lock(self, account: str, life_s: float, now: float, stage: int = 1) -> Standing:
        """See `Accounts.lock`."""
        return await self._observed("lock", self._store.lock(account, life_s, now, stage))

    async def locked(self, now: float) -> tuple[tuple[str, Standing], ...]:
        """See `Accounts.locked`."""
        return await self._observed("locked", self._store.locked(now))

    async def hold(
        self, subject: str, windows: Sequence[Window], hold: Hold, cost: int, now: float, once: str = ""
    ) -> Charge:
        """See `Counters.hold`."""
        return await self._observed("hold", self._store.hold(subject, windows, hold, cost, now, once))

    async def usage(self, subject: str, windows: Sequence[Window], now: float) -> Usage:
        """See `Counters.usage`."""
        return await self._observed("usage", self._store.usage(subject, windows, now))

    async def reset(self, subject: str, windows: Sequence[Window]) -> None:
        """See `Counters.reset`."""
        await self._observed("reset", self._store.reset(subject, windows))

    async def grant(self, subject: str, units: int, until: float, now: float) -> None:
        """See `Counters.grant`."""
        await self._observed("grant", self._store.grant(subject, units, until, now))

    async def subjects(self, prefix: str, most: int) -> tuple[tuple[str, ...], bool]:
        """See `Counters.subjects`."""
        return await self._observed("subjects", self._store.subjects(prefix, most))

    async def tally(self, book: str, page: str, heading: str, line: str, bounds: Bounds, now: float) -> bool:
        """See `Tallies.tally`."""
        return await self._observed("tally", self._store.tally(book, page, heading, line, bounds, now))

    async def pages(self, book: str) -> tuple[Page, ...]:
        """See `Tallies.pages`."""
        return await self._observed("pages", self._store.pages(book))

    async def lines(self, book: str, page: str) -> tuple[tuple[str, int], ...]:
        """See `Tallies.lines`."""
        return await self._observed("lines", self._store.lines(book, page))

    async def mark(self, book: str, page: str, expected: str, mark: str) -> bool:
        """See `Tallies.mark`."""
        return await self._observed("mark", self._store.mark(book, page, expected, mark))

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
