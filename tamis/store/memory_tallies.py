"""memory_tallies - the verbs about tallies of the store in one process."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tamis.store.attempt import name_of
from tamis.store.tallies import Bounds, Page
from tamis.store.tallying import Entry, mark_of, page_of, room


@dataclass(slots=True)
class _Page:
    heading: str = ""
    mark: str = ""
    lost: int = 0
    lines: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Book:
    expires: float = 0.0
    lines: int = 0
    pages: dict[str, _Page] = field(default_factory=dict)


class MemoryTallies:
    """See `tamis.store.tallies.Tallies`."""

    def __init__(self) -> None:
        self._books: dict[str, _Book] = {}

    def _sweep(self, now: float) -> None:
        raise NotImplementedError

    async def tally(self, book: str, page: str, heading: str, line: str, bounds: Bounds, now: float) -> bool:
        """See `Tallies.tally`."""
        entry = Entry.of(book, page, heading, line, bounds, now)
        known = self._books.setdefault(entry.book, _Book())
        known.expires = entry.expires
        if entry.page not in known.pages and len(known.pages) >= bounds.pages:
            return False
        here = known.pages.setdefault(entry.page, _Page())
        here.heading = entry.heading
        if line not in here.lines:
            if not room(bounds, len(here.lines), known.lines):
                here.lost += 1
                return False
            known.lines += 1
        here.lines[line] += 1
        self._sweep(now)
        return True

    async def pages(self, book: str) -> tuple[Page, ...]:
        """See `Tallies.pages`."""
        known = self._books.get(name_of(book), _Book())
        return tuple(
            Page(name, page.heading, page.mark, len(page.lines), page.lost)
            for name, page in sorted(known.pages.items())
        )

    async def lines(self, book: str, page: str) -> tuple[tuple[str, int], ...]:
        """See `Tallies.lines`."""
        known = self._books.get(name_of(book), _Book()).pages.get(page_of(page), _Page())
        return tuple(sorted(known.lines.items()))

    async def mark(self, book: str, page: str, expected: str, mark: str) -> bool:
        """See `Tallies.mark`."""
        mark_of(mark)
        known = self._books.get(name_of(book), _Book()).pages.get(page_of(page))
        if known is None or known.mark != expected:
            return False
        known.mark = mark
        return True

    def _sweep_tallies(self, oldest: float) -> None:
        self._books = {name: book for name, book in self._books.items() if book.expires >= oldest}
