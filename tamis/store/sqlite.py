"""sqlite - the store in one file, shared by every program of one host."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tamis.store import Acquaintance, Charge, Greylisted, Patience, Window, sqlite_verbs
from tamis.store.attempt import Attempt, Sight
from tamis.store.greylist import Inquiry, Visit
from tamis.store.group_commit import GroupCommit
from tamis.store.sqlite_accounts import SqliteAccounts
from tamis.store.sqlite_counters import SqliteCounters
from tamis.store.sqlite_tallies import SqliteTallies


class SqliteStore(SqliteAccounts, SqliteCounters, SqliteTallies):
    """See `Store`. The file is opened at the first request: make it before a fork, use it after."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._commits = GroupCommit(path, timeout_s)

    async def charge(
        self, subject: str, windows: Sequence[Window], cost: int, now: float, once: str = ""
    ) -> Charge:
        """See `Store.charge`."""
        attempt = Attempt.of(subject, windows, cost, now, once)
        return await self._commits.ask(partial(sqlite_verbs.charge, attempt=attempt), now)

    async def first_seen(self, key: str, now: float, keep_s: float) -> float:
        """See `Store.first_seen`."""
        sight = Sight.of(key, now, keep_s)
        return await self._commits.ask(partial(sqlite_verbs.first_seen, sight=sight), now)

    async def greylist(
        self, client: str, errand: str, patience: Patience, now: float, once: str = ""
    ) -> Greylisted:
        """See `Store.greylist`."""
        visit = Visit.of(client, errand, patience, now, once)
        return await self._commits.ask(partial(sqlite_verbs.greylist, visit=visit), now)

    async def greylist_client(
        self, client: str, now: float, passes: int | None = None, keep_s: float = 0.0
    ) -> Acquaintance:
        """See `Store.greylist_client`."""
        inquiry = Inquiry.of(client, now, passes, keep_s)
        return await self._commits.ask(partial(sqlite_verbs.greylist_client, inquiry=inquiry), now)

    async def close(self) -> None:
        """See `Store.close`."""
        await self._commits.close()
