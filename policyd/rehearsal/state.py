"""state - a copy of the store, to try checks on: whatever they charge and remember, the store itself stays as it is.

SQLite is copied as a whole, and answers are exact. Redis is not copied but looked at when a check asks: counters of
rate limits are exact to a unit, what is known of greylisted clients and of accounts is taken over; an errand that is
waiting, a request that is a repetition, and what an account did lately are not seen.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from tamis.errors import TempFail
from tamis.store import Acquaintance, Charge, Greylisted, Patience, Store, Window, open_store
from tamis.store.accounts import Conduct, Settlement, Sighting
from tamis.store.address import MemoryAddress, SqliteAddress, parse_address
from tamis.store.config import StoreConfig
from tamis.store.counters import Hold, Usage
from tamis.store.memory import MemoryStore
from tamis.store.sqlite import SqliteStore

_HELD_S = 3600.0
_WIDE = Window(1_000_000_000, 1.0)  # a message may hold whatever it held


@asynccontextmanager
async def copied(config: StoreConfig) -> AsyncIterator[tuple[Store, str]]:
    """A store that begins as the one of *config* is now, and a sentence about where it is not exact, "" if it is.

    Raises TempFail."""
    address = parse_address(config.url)
    match address:
        case MemoryAddress():
            yield (
                MemoryStore(),
                "the store is the daemon's memory, which nobody else sees: it begins empty here",
            )
        case SqliteAddress(path):
            with TemporaryDirectory(prefix="tamis-") as directory:
                copy = Path(directory) / "state.db"
                exists = _copy(path, copy)
                store = SqliteStore(copy, config.timeout)
                try:
                    yield store, "" if exists else f"{path} does not exist yet: nothing is counted so far"
                finally:
                    await store.close()
        case _:
            real = open_store(config)
            try:
                yield (
                    LookedAt(real),
                    "Redis is looked at and not copied: errands that wait and requests that are repeated are not seen",
                )
            finally:
                await real.close()


def _copy(path: Path, copy: Path) -> bool:
    """While others write to it: sqlite3's online backup. False where there is nothing to copy."""
    if not path.exists():
        return False
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except sqlite3.Error as exc:
        raise TempFail("4.3.0", f"{path} cannot be read: {exc}") from exc
    return True


class LookedAt(MemoryStore):
    """A store in memory that fetches from *real* what it does not know yet, by verbs that change nothing there."""

    def __init__(self, real: Store) -> None:
        super().__init__()
        self._real = real
        self._fetched: set[tuple[str, object]] = set()

    def _first(self, what: str, name: object) -> bool:
        """Whether this is the first question about it."""
        new = (what, name) not in self._fetched
        self._fetched.add((what, name))
        return new

    async def charge(
        self, subject: str, windows: Sequence[Window], cost: int, now: float, once: str = ""
    ) -> Charge:
        """See `Store.charge`."""
        await self._fetch(subject, windows, now)
        return await super().charge(subject, windows, cost, now, once)

    async def hold(
        self, subject: str, windows: Sequence[Window], hold: Hold, cost: int, now: float, once: str = ""
    ) -> Charge:
        """See `Counters.hold`."""
        await self._fetch(subject, windows, now)
        return await super().hold(subject, windows, hold, cost, now, once)

    async def usage(self, subject: str, windows: Sequence[Window], now: float) -> Usage:
        """See `Counters.usage`."""
        await self._fetch(subject, windows, now)
        return await super().usage(subject, windows, now)

    async def _fetch(self, subject: str, windows: Sequence[Window], now: float) -> None:
        """Take over what is used of each window, what is granted, and what messages hold together."""
        new = [window for window in windows if self._first("window", (subject, window))]
        if not new:
            return
        known = await self._real.usage(subject, new, now)
        if self._first("subject", subject):
            if known.extra:
                await super().grant(subject, known.extra, known.extra_until, now)
            if known.held:
                held = Hold("those of the store", _HELD_S)
                await super().hold(subject, [_WIDE], held, known.held, now)
        for window, level in zip(new, known.levels, strict=True):
            if level.used:
                await super().charge(subject, [window], level.used, now)

    async def greylist(
        self, client: str, errand: str, patience: Patience, now: float, once: str = ""
    ) -> Greylisted:
        """See `Store.greylist`. How well the client is known is taken over."""
        if self._first("client", client):
            known = await self._real.greylist_client(client, now)
            if known.passes:
                await super().greylist_client(client, now, known.passes, max(0.0, known.until - now))
        return await super().greylist(client, errand, patience, now, once)

    async def greylist_client(
        self, client: str, now: float, passes: int | None = None, keep_s: float = 0.0
    ) -> Acquaintance:
        """See `Store.greylist_client`."""
        if passes is None and self._first("client", client):
            known = await self._real.greylist_client(client, now)
            if known.passes:
                await super().greylist_client(client, now, known.passes, max(0.0, known.until - now))
        return await super().greylist_client(client, now, passes, keep_s)

    async def watch(
        self,
        account: str,
        sightings: Sequence[Sighting],
        now: float,
        silence_s: float = 0.0,
        settlement: Settlement | None = None,
    ) -> Conduct:
        """See `Accounts.watch`. The standing is taken over, with its lock."""
        if self._first("account", account):
            standing = (await self._real.watch(account, (), now)).standing
            if standing.locked_until:
                life_s = standing.locked_until - now
                await super().lock(account, life_s if life_s > 0 else math.inf, now, max(1, standing.stage))
            elif standing.stage:
                await super().escalate(account, standing.stage, max(0.0, standing.until - now), now)
        return await super().watch(account, sightings, now, silence_s, settlement)
