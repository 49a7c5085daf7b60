"""tallies - how often which line was seen: bounded sums, kept for a later report. A part of the store's contract.

A book (of a day) has pages (of a domain), a page has lines, and each line a number. All of them are made of what
strangers send, so all are bounded: what finds no room is counted as lost and not remembered. The fuller a book is, the
fewer lines one page gets, so that no page can take the room of all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

MAX_PAGE_CHARS = 255
MAX_LINE_CHARS = 2000
MAX_TEXT_CHARS = 8192  # of a heading and of a mark


@dataclass(frozen=True, slots=True)
class Bounds:
    """pages: of a book. lines: of a page. all_lines: of a book. keep_s: how long a book lives after the last tally."""

    pages: int
    lines: int
    all_lines: int
    keep_s: float


@dataclass(frozen=True, slots=True)
class Page:
    """heading: that of the last tally. mark: the last that was put there, "" for none. lines: how many there are;
    lost: what was seen so often and found no room."""

    name: str
    heading: str
    mark: str
    lines: int
    lost: int


class Tallies(Protocol):
    """The verbs about tallies, a part of `tamis.store.Store`. Each is one atomic step and raises TempFail 4.3.0.

    Names and texts are printable ASCII within the bounds above, else ValueError."""

    async def tally(self, book: str, page: str, heading: str, line: str, bounds: Bounds, now: float) -> bool:
        """Count *line* once more; False where there is no room for it."""
        ...

    async def pages(self, book: str) -> tuple[Page, ...]:
        """All pages of a book by name; none of one that is not known."""
        ...

    async def lines(self, book: str, page: str) -> tuple[tuple[str, int], ...]:
        """The lines of a page, sorted, with their numbers."""
        ...

    async def mark(self, book: str, page: str, expected: str, mark: str) -> bool:
        """Put a mark on a page in place of the *expected* one; False if there is another, or no such page.

        After a TempFail it may be there or not."""
        ...
