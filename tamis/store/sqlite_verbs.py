"""sqlite_verbs - the store's verbs in SQL, each within a transaction that somebody else holds."""

from __future__ import annotations

import sqlite3

from tamis.store import Charge
from tamis.store.attempt import Attempt, Sight
from tamis.store.bucket import MICROS, ONCE_US, decide

_BUCKETS = "SELECT rate, level, moment FROM bucket WHERE name = ?"
_FILL = (
    "INSERT INTO bucket VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
    " SET level = excluded.level, moment = excluded.moment, expires = excluded.expires"
)
_ANSWER = "SELECT allowed, remaining, retry_after_s, window FROM answer WHERE name = ? AND expires > ?"
_REMEMBER = "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?, ?)"
_SEEN = "SELECT first, expires FROM seen WHERE name = ?"
_SEE = "INSERT OR REPLACE INTO seen VALUES (?, ?, ?)"


def charge(db: sqlite3.Connection, attempt: Attempt) -> Charge:
    """`Store.charge`, inside the transaction."""
    if not attempt.once:
        return _charge(db, attempt)
    name = f"{attempt.once}{{{attempt.name}"  # no name holds a brace; once stands first: see MAX_ORDER
    if known := db.execute(_ANSWER, (name, attempt.now_us / MICROS)).fetchone():
        return Charge(bool(known[0]), known[1], known[2], known[3], True)
    answer = _charge(db, attempt)
    expires = (attempt.now_us + ONCE_US) / MICROS
    row = (name, answer.allowed, answer.remaining, answer.retry_after_s, answer.window, expires)
    db.execute(_REMEMBER, row)
    return answer


def _charge(db: sqlite3.Connection, attempt: Attempt) -> Charge:
    rows = {rate: (level, moment) for rate, level, moment in db.execute(_BUCKETS, (attempt.name,))}
    buckets = [rows.get(limit.rate) for limit in attempt.limits]
    answer, filled = decide(attempt.limits, buckets, attempt.cost, attempt.now_us)
    for limit, bucket in zip(attempt.limits, filled, strict=False):
        expires = limit.lasts_until(bucket) / MICROS
        db.execute(_FILL, (attempt.name, limit.rate, *bucket, expires))
    return answer


def first_seen(db: sqlite3.Connection, sight: Sight) -> float:
    """`Store.first_seen`, inside the transaction."""
    first, expires = db.execute(_SEEN, (sight.name,)).fetchone() or (sight.now, sight.now)
    first = sight.first(first, expires)
    db.execute(_SEE, (sight.name, first, sight.expires))
    return float(first)
