"""sqlite_tallies - the verbs about tallies in SQL: a part of the store in a file.

The page without a name is the book itself: its lines are all lines of the book, and what it has lost is how many
pages there are.
"""

from __future__ import annotations

import sqlite3
import time
from functools import partial

from tamis.store.attempt import name_of
from tamis.store.group_commit import GroupCommit
from tamis.store.tallies import Bounds, Page
from tamis.store.tallying import Entry, mark_of, page_key, page_of, room

_PAGE = "SELECT lines, lost FROM tally_page WHERE name = ?"
_WRITE = (
    "INSERT INTO tally_page VALUES (?, ?, '', ?, ?, ?) ON CONFLICT DO UPDATE"
    " SET heading = excluded.heading, lines = excluded.lines, lost = excluded.lost, expires = excluded.expires"
)
_COUNT = "UPDATE tally_line SET count = count + 1, expires = ? WHERE name = ? AND line = ?"
_BEGIN = "INSERT INTO tally_line VALUES (?, ?, 1, ?)"
# A book's name holds no brace, and "|" comes after "{".
_PAGES = "SELECT name, heading, mark, lines, lost FROM tally_page WHERE name > ? AND name < ? ORDER BY name"
_LINES = "SELECT line, count FROM tally_line WHERE name = ? ORDER BY line"
_MARK = "UPDATE tally_page SET mark = ? WHERE name = ? AND mark = ?"


class SqliteTallies:
    """See `tamis.store.tallies.Tallies`."""

    _commits: GroupCommit

    async def tally(self, book: str, page: str, heading: str, line: str, bounds: Bounds, now: float) -> bool:
        """See `Tallies.tally`."""
        entry = Entry.of(book, page, heading, line, bounds, now)
        return await self._commits.ask(partial(_tally, entry=entry), now)

    async def pages(self, book: str) -> tuple[Page, ...]:
        """See `Tallies.pages`."""
        before = f"{name_of(book)}{{"

        def work(db: sqlite3.Connection) -> tuple[Page, ...]:
            rows = db.execute(_PAGES, (before, f"{name_of(book)}|"))
            return tuple(Page(name.removeprefix(before), *rest) for name, *rest in rows)

        return await self._commits.ask(work, time.time())

    async def lines(self, book: str, page: str) -> tuple[tuple[str, int], ...]:
        """See `Tallies.lines`."""
        name = f"{name_of(book)}{{{page_key(page_of(page))}"

        def work(db: sqlite3.Connection) -> tuple[tuple[str, int], ...]:
            return tuple((line, count) for line, count in db.execute(_LINES, (name,)))

        return await self._commits.ask(work, time.time())

    async def mark(self, book: str, page: str, expected: str, mark: str) -> bool:
        """See `Tallies.mark`."""
        row = (mark_of(mark), f"{name_of(book)}{{{page_of(page)}", expected)
        return await self._commits.ask(lambda db: db.execute(_MARK, row).rowcount > 0, time.time())


def _tally(db: sqlite3.Connection, entry: Entry) -> bool:
    whole, name = f"{entry.book}{{", f"{entry.book}{{{entry.page}"
    all_lines, pages = db.execute(_PAGE, (whole,)).fetchone() or (0, 0)
    known = db.execute(_PAGE, (name,)).fetchone()
    if known is None and pages >= entry.bounds.pages:
        return False
    lines, lost = known or (0, 0)
    found = _count(db, entry)
    fits = found or room(entry.bounds, lines, all_lines)
    if fits and not found:
        db.execute(_BEGIN, (f"{entry.book}{{{page_key(entry.page)}", entry.line, entry.expires))
        lines, all_lines = lines + 1, all_lines + 1
    db.execute(_WRITE, (name, entry.heading, lines, lost + (not fits), entry.expires))
    db.execute(_WRITE, (whole, "", all_lines, pages + (known is None), entry.expires))
    return fits


def _count(db: sqlite3.Connection, entry: Entry) -> bool:
    row = (entry.expires, f"{entry.book}{{{page_key(entry.page)}", entry.line)
    return db.execute(_COUNT, row).rowcount > 0
