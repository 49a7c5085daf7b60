"""sqlite_accounts - the verbs about accounts in SQL: a part of the store in one file.

Sets lie in the table `sighting`, one row a thing, standings in `standing`. What an account did last is a thing as
well, of no kind: its first moment is when the account woke, and that of ``s`` when something was settled.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial

from tamis.store.accounts import Conduct, Count, Settlement, Sighting, Standing
from tamis.store.attempt import micros, name_of
from tamis.store.bucket import MICROS
from tamis.store.group_commit import GroupCommit
from tamis.store.standing import (
    NOTHING,
    Change,
    Row,
    Sight,
    Watch,
    awake,
    by_admin,
    escalation,
    expires_of,
    floor_of,
    remainder_of,
    standing_of,
    upto_of,
)

_NO_KIND, _SETTLED = "", "s"
_STANDING = "SELECT since, stage, until, locked_until, locks FROM standing WHERE name = ?"
_STAND = "INSERT OR REPLACE INTO standing VALUES (?, ?, ?, ?, ?, ?, ?)"
_LOCKED = (
    "SELECT name, since, stage, until, locked_until, locks FROM standing WHERE locked_until > ? ORDER BY name"
)
_ACTIVITY = "SELECT token, first, last FROM sighting WHERE name = ? AND kind = ''"
_THING = "SELECT first FROM sighting WHERE name = ? AND kind = ? AND token = ? AND last > ?"
_SEE = "INSERT OR REPLACE INTO sighting VALUES (?, ?, ?, ?, ?, ?)"
_FORGET = "DELETE FROM sighting WHERE name = ? AND kind = ? AND last <= ?"
_HOW_MANY = "SELECT count(*) FROM sighting WHERE name = ? AND kind = ?"
_EVICT = (
    "DELETE FROM sighting WHERE name = ?1 AND kind = ?2 AND token IN"
    " (SELECT token FROM sighting WHERE name = ?1 AND kind = ?2 ORDER BY last, token LIMIT ?3)"
)
_COUNT = "SELECT {} FROM sighting WHERE name = ? AND kind = ?"
_COUNTS = "count(*) FILTER (WHERE last > ? AND last <= ?), count(*) FILTER (WHERE first > ? AND first <= ?)"
_SETTLE = "DELETE FROM sighting WHERE name = ? AND kind = ? AND substr(token, 1, ?) = ?"


def watch(db: sqlite3.Connection, asked: Watch) -> Conduct:
    """`Accounts.watch`, inside the transaction."""
    row = _row(db, asked.name)
    standing = standing_of(row, asked.now)
    rows = {token: (first, last) for token, first, last in db.execute(_ACTIVITY, (asked.name,))}
    activity = rows.get("", (0, 0))
    if not asked.sights or standing.locked_until:
        return asked.nothing(standing, activity[0])
    for sight in asked.sights:
        if sight.token and standing.stage < sight.below:
            _remember(db, asked.name, sight)
    _, settled = rows.get(_SETTLED, (0, 0))
    if asked.settled is not None:
        settled = asked.now
        _settle(db, asked)
    woke, last = awake(activity, asked.now, asked.silence)
    expires = (asked.now + asked.keep) / MICROS
    db.execute(_SEE, (asked.name, _NO_KIND, "", woke, last, expires))
    return Conduct(standing, _counts(db, asked, row, settled), woke / MICROS)


def _remember(db: sqlite3.Connection, name: str, sight: Sight) -> None:
    known = db.execute(_THING, (name, sight.kind, sight.token, sight.oldest)).fetchone()
    first = known[0] if known else 0 if sight.graced else sight.now
    if known is None:
        db.execute(_FORGET, (name, sight.kind, sight.oldest))
        (there,) = db.execute(_HOW_MANY, (name, sight.kind)).fetchone()
        if there >= sight.most:
            db.execute(_EVICT, (name, sight.kind, there - sight.most + 1))
            first = 0
    expires = (sight.now + sight.keep) / MICROS
    db.execute(_SEE, (name, sight.kind, sight.token, first, sight.now, expires))


def _settle(db: sqlite3.Connection, asked: Watch) -> None:
    assert asked.settled is not None
    kind, group, well = asked.settled
    keep = next(sight.keep for sight in asked.sights if sight.kind == kind)
    members = db.execute(_SETTLE, (asked.name, kind, len(group), group)).rowcount
    expires = (asked.now + keep) / MICROS
    left = [remainder_of(group, number) for number in range(members - well)]
    db.executemany(_SEE, [(asked.name, kind, token, 0, asked.now, expires) for token in left])
    settled = (asked.name, _NO_KIND, _SETTLED, 0, asked.now, (asked.now + asked.keep) / MICROS)
    db.execute(_SEE, settled)


def _counts(db: sqlite3.Connection, asked: Watch, row: Row, settled: int) -> tuple[Count, ...]:
    """One look at each set, however many sightings count in it."""
    by_kind: dict[str, list[int]] = {}
    for number, sight in enumerate(asked.sights):
        by_kind.setdefault(sight.kind, []).append(number)
    counts: dict[int, Count] = {}
    for kind, numbers in by_kind.items():
        words: list[int | str] = []
        for sight in (asked.sights[number] for number in numbers):
            words += (floor_of(row, sight), upto_of(sight, settled)) * 2
        query = _COUNT.format(", ".join([_COUNTS] * len(numbers)))
        found = db.execute(query, (*words, asked.name, kind)).fetchone()
        counts |= {
            number: Count(*pair)
            for number, pair in zip(numbers, zip(found[::2], found[1::2], strict=True), strict=True)
        }
    return tuple(counts[number] for number in range(len(asked.sights)))


def _row(db: sqlite3.Connection, name: str) -> Row:
    return db.execute(_STANDING, (name,)).fetchone() or NOTHING


def _change(db: sqlite3.Connection, name: str, change: Change) -> Standing:
    standing, row = change(_row(db, name))
    if row is not None:
        db.execute(_STAND, (name, *row, expires_of(row) / MICROS))
    return standing


def _locked(db: sqlite3.Connection, now_us: int) -> tuple[tuple[str, Standing], ...]:
    rows = db.execute(_LOCKED, (now_us,)).fetchall()
    return tuple((name, standing_of((a, b, c, d, e), now_us)) for name, a, b, c, d, e in rows)


class SqliteAccounts:
    """See `tamis.store.accounts.Accounts`."""

    _commits: GroupCommit

    async def watch(
        self,
        account: str,
        sightings: Sequence[Sighting],
        now: float,
        silence_s: float = 0.0,
        settlement: Settlement | None = None,
    ) -> Conduct:
        """See `Accounts.watch`."""
        asked = Watch.of(account, sightings, now, silence_s, settlement)
        return await self._commits.ask(partial(watch, asked=asked), now)

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
        _, change = escalation(stage, keep_s, now, lives_s, forgive_s)
        return await self._commits.ask(partial(_change, name=name_of(account), change=change), now)

    async def lock(self, account: str, life_s: float, now: float, stage: int = 1) -> Standing:
        """See `Accounts.lock`."""
        _, change = by_admin(life_s, now, stage)
        return await self._commits.ask(partial(_change, name=name_of(account), change=change), now)

    async def locked(self, now: float) -> tuple[tuple[str, Standing], ...]:
        """See `Accounts.locked`."""
        return await self._commits.ask(partial(_locked, now_us=micros(now)), now)
