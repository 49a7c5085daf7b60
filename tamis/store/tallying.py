"""tallying - what is asked about tallies, checked, and where there is room. Pure. tally.lua is the twin of `room`."""

from __future__ import annotations

from dataclasses import dataclass

from tamis.store.attempt import digest, micros, name_of
from tamis.store.bucket import MICROS
from tamis.store.tallies import MAX_LINE_CHARS, MAX_PAGE_CHARS, MAX_TEXT_CHARS, Bounds

SHARE = 4  # a page may have so many lines as a quarter of those that are free


@dataclass(frozen=True, slots=True)
class Entry:
    """A line to be counted. *expires*: seconds since the epoch."""

    book: str
    page: str
    heading: str
    line: str
    bounds: Bounds
    expires: float

    @classmethod
    def of(cls, book: str, page: str, heading: str, line: str, bounds: Bounds, now: float) -> Entry:
        """Check the arguments of `Tallies.tally`. Raises ValueError."""
        if min(bounds.pages, bounds.lines, bounds.all_lines) < 1:
            raise ValueError("a book without room")
        _text("line", line, MAX_LINE_CHARS)
        _text("heading", heading, MAX_TEXT_CHARS)
        expires = (micros(now) + micros(bounds.keep_s)) / MICROS
        return cls(name_of(book), page_of(page), heading, line, bounds, expires)


def page_of(page: str) -> str:
    """The name of a page. Raises ValueError."""
    _text("page", page, MAX_PAGE_CHARS)
    if not page:
        raise ValueError("a page without a name")
    return page


def page_key(page: str) -> str:
    """What stands for a page in the key of its lines."""
    return digest(page)


def mark_of(mark: str) -> str:
    """A mark. Raises ValueError."""
    _text("mark", mark, MAX_TEXT_CHARS)
    return mark


def room(bounds: Bounds, lines: int, all_lines: int) -> bool:
    """Whether a page of so many lines, in a book of so many, may have one more."""
    return lines < min(bounds.lines, (bounds.all_lines - all_lines) // SHARE)


def _text(what: str, text: str, most: int) -> None:
    if len(text) > most or not (text.isascii() and text.isprintable()):
        raise ValueError(f"a {what} is at most {most} printable ASCII characters")
