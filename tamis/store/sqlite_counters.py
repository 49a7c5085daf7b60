"""sqlite_counters - the verbs about counters in SQL: a part of the store in a file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from functools import partial

from tamis.store import Charge, Window
from tamis.store.attempt import Attempt, name_of
from tamis.store.bucket import GRANT, MICROS
from tamis.store.counters import Hold, Usage
from tamis.store.group_commit import GroupCommit
from tamis.store.holding import Entry, Holding, decide_held, format_entries, parse_entries, usage
from tamis.store.inquiries import Grant, Look, named
from tamis.store.sqlite_verbs import buckets_of, fill, once_only

_HELD = "SELECT entries FROM held WHERE name = ?"
_KEEP = "INSERT OR REPLACE INTO held VALUES (?, ?, ?)"
_FREE = "DELETE FROM held WHERE name = ?"
_EMPTY = "DELETE FROM bucket WHERE name = ? AND rate = ?"
_GRANT = "INSERT OR REPLACE INTO bucket VALUES (?, ?, ?, ?, ?)"
# A prefix ends in what stands before all that a name holds behind it.
_SUBJECTS = "SELECT DISTINCT name FROM bucket WHERE name >= ? AND name < ? AND expires > ? LIMIT ?"


class SqliteCounters:
    """See `tamis.store.counters.Counters`."""

    _commits: GroupCommit

    async def hold(
        self, subject: str, windows: Sequence[Window], hold: Hold, cost: int, now: float, once: str = ""
    ) -> Charge:
        """See `Counters.hold`."""
        holding = Holding.of(subject, windows, hold, cost, now, once)
        work = partial(once_only, attempt=holding.attempt, work=partial(_hold, holding))
        return await self._commits.ask(work, now)

    async def usage(self, subject: str, windows: Sequence[Window], now: float) -> Usage:
        """See `Counters.usage`."""
        return await self._commits.ask(partial(_usage, look=Look.of(subject, windows, now)), now)

    async def reset(self, subject: str, windows: Sequence[Window]) -> None:
        """See `Counters.reset`."""
        await self._commits.ask(partial(_reset, look=Look.of(subject, windows, 0.0)), time.time())

    async def grant(self, subject: str, units: int, until: float, now: float) -> None:
        """See `Counters.grant`."""
        grant = Grant.of(units, until, now)
        await self._commits.ask(partial(_grant, name=name_of(subject), grant=grant), now)

    async def subjects(self, prefix: str, most: int) -> tuple[tuple[str, ...], bool]:
        """See `Counters.subjects`."""
        now = time.time()

        def work(db: sqlite3.Connection) -> list[str]:
            rows = db.execute(_SUBJECTS, (prefix, prefix + "\x7f", now, most + 1))
            return [name for (name,) in rows if named(name, prefix)]

        found = await self._commits.ask(work, now)
        return tuple(found[:most]), len(found) <= most


def _hold(holding: Holding, db: sqlite3.Connection, attempt: Attempt) -> Charge:
    name, rows = attempt.name, buckets_of(db, attempt.name)
    buckets = [rows.get(limit.rate) for limit in attempt.limits]
    entries = _entries(db, name)
    answer, filled, kept = decide_held(holding, buckets, entries, rows.get(GRANT))
    fill(db, name, attempt.limits, filled)
    if kept:
        db.execute(_KEEP, (name, format_entries(kept), (attempt.now_us + holding.life) / MICROS))
    elif entries:
        db.execute(_FREE, (name,))
    return answer


def _usage(db: sqlite3.Connection, look: Look) -> Usage:
    rows = buckets_of(db, look.name)
    buckets = [rows.get(limit.rate) for limit in look.limits]
    return usage(look.limits, buckets, _entries(db, look.name), rows.get(GRANT), look.now)


def _reset(db: sqlite3.Connection, look: Look) -> None:
    for rate in (*(limit.rate for limit in look.limits), GRANT):
        db.execute(_EMPTY, (look.name, rate))
    db.execute(_FREE, (look.name,))


def _grant(db: sqlite3.Connection, name: str, grant: Grant) -> None:
    if grant.units:
        db.execute(_GRANT, (name, GRANT, grant.units, grant.until, grant.until / MICROS))
    else:
        db.execute(_EMPTY, (name, GRANT))


def _entries(db: sqlite3.Connection, name: str) -> list[Entry]:
    row = db.execute(_HELD, (name,)).fetchone()
    return parse_entries(row[0]) if row else []
