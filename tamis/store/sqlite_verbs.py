"""sqlite_verbs - the store's verbs in SQL, each within a transaction that somebody else holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from tamis.store import Acquaintance, Charge, Greylisted
from tamis.store.attempt import Attempt, Sight
from tamis.store.bucket import GRANT, MICROS, ONCE_US, Bucket, Limit, decide
from tamis.store.greylist import CLIENT, Inquiry, Row, Visit
from tamis.store.greylist import decide as judge

_BUCKETS = "SELECT rate, level, moment FROM bucket WHERE name = ?"
_FILL = (
    "INSERT INTO bucket VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
    " SET level = excluded.level, moment = excluded.moment, expires = excluded.expires"
)
_ANSWER = "SELECT allowed, remaining, retry_after_s, window FROM answer WHERE name = ? AND expires > ?"
_REMEMBER = "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?, ?)"
_SEEN = "SELECT first, expires FROM seen WHERE name = ?"
_SEE = "INSERT OR REPLACE INTO seen VALUES (?, ?, ?)"
_KNOWN = "SELECT one, two, expires FROM greylist WHERE name = ?"
_KNOW = "INSERT OR REPLACE INTO greylist VALUES (?, ?, ?, ?)"


def charge(db: sqlite3.Connection, attempt: Attempt) -> Charge:
    """`Store.charge`, inside the transaction."""
    return once_only(db, attempt, _charge)


def once_only(
    db: sqlite3.Connection, attempt: Attempt, work: Callable[[sqlite3.Connection, Attempt], Charge]
) -> Charge:
    """What *work* answers, or has answered to the same attempt."""
    if not attempt.once:
        return work(db, attempt)
    name = f"{attempt.once}{{{attempt.name}"  # no name holds a brace; once stands first: see MAX_ORDER
    if known := db.execute(_ANSWER, (name, attempt.now_us / MICROS)).fetchone():
        return Charge(bool(known[0]), known[1], known[2], known[3], True)
    answer = work(db, attempt)
    expires = (attempt.now_us + ONCE_US) / MICROS
    row = (name, answer.allowed, answer.remaining, answer.retry_after_s, answer.window, expires)
    db.execute(_REMEMBER, row)
    return answer


def _charge(db: sqlite3.Connection, attempt: Attempt) -> Charge:
    rows = buckets_of(db, attempt.name)
    buckets = [rows.get(limit.rate) for limit in attempt.limits]
    answer, filled = decide(attempt.limits, buckets, attempt.cost, attempt.now_us, rows.get(GRANT))
    fill(db, attempt.name, attempt.limits, filled)
    return answer


def buckets_of(db: sqlite3.Connection, name: str) -> dict[str, Bucket]:
    """All buckets of a subject by their rate, and what it was granted."""
    return {rate: (level, moment) for rate, level, moment in db.execute(_BUCKETS, (name,))}


def fill(db: sqlite3.Connection, name: str, limits: Sequence[Limit], filled: Sequence[Bucket]) -> None:
    """Write the buckets of *limits*, or none of them."""
    rows = [
        (name, limit.rate, *bucket, limit.lasts_until(bucket) / MICROS)
        for limit, bucket in zip(limits, filled, strict=False)
    ]
    db.executemany(_FILL, rows)


def first_seen(db: sqlite3.Connection, sight: Sight) -> float:
    """`Store.first_seen`, inside the transaction."""
    first, expires = db.execute(_SEEN, (sight.name,)).fetchone() or (sight.now, sight.now)
    first = sight.first(first, expires)
    db.execute(_SEE, (sight.name, first, sight.expires))
    return float(first)


def greylist(db: sqlite3.Connection, visit: Visit) -> Greylisted:
    """`Store.greylist`, inside the transaction."""
    names = [f"{visit.client}{{{name}" for name in visit.names()]  # no name holds a brace
    one, two = _row(db, names[0]), _row(db, names[1])
    answer, rows = judge(visit, (one, two, _row(db, names[2]) if visit.message else None))
    for name, row in zip(names, rows, strict=True):
        _write(db, name, row)
    return answer


def greylist_client(db: sqlite3.Connection, inquiry: Inquiry) -> Acquaintance:
    """`Store.greylist_client`, inside the transaction."""
    name = f"{inquiry.client}{{{CLIENT}"
    _write(db, name, inquiry.row)
    return inquiry.answer(_row(db, name))


def _write(db: sqlite3.Connection, name: str, row: Row | None) -> None:
    if row is not None:
        db.execute(_KNOW, (name, row[0], row[1], row[2] / MICROS))


def _row(db: sqlite3.Connection, name: str) -> Row | None:
    row = db.execute(_KNOWN, (name,)).fetchone()
    return (row[0], row[1], round(row[2] * MICROS)) if row else None
