"""redis_tallies - the verbs about tallies on a Redis server: a part of the store there. A book lies in one slot."""

from __future__ import annotations

from tamis.store.attempt import name_of
from tamis.store.bucket import MICROS, SKEW_US
from tamis.store.redis_verbs import RedisVerbs, lines_of
from tamis.store.tallies import Bounds, Page
from tamis.store.tallying import SHARE, Entry, mark_of, page_key, page_of


class RedisTallies(RedisVerbs):
    """See `tamis.store.tallies.Tallies`."""

    async def tally(self, book: str, page: str, heading: str, line: str, bounds: Bounds, now: float) -> bool:
        """See `Tallies.tally`."""
        entry = Entry.of(book, page, heading, line, bounds, now)
        keys = [*self._book_keys(book), self._line_key(book, page)]
        life_ms = round(bounds.keep_s * 1000) + SKEW_US * 1000 // MICROS
        args = (entry.page, heading, line, bounds.pages, bounds.lines, bounds.all_lines, SHARE, life_ms)
        return await self._ask("tally", keys, args, _flag)

    async def pages(self, book: str) -> tuple[Page, ...]:
        """See `Tallies.pages`."""
        return await self._ask("tallies", self._book_keys(book), ("pages",), _pages, exact=True)

    async def lines(self, book: str, page: str) -> tuple[tuple[str, int], ...]:
        """See `Tallies.lines`."""
        return await self._ask("tallies", [self._line_key(book, page)], ("lines",), _lines, exact=True)

    async def mark(self, book: str, page: str, expected: str, mark: str) -> bool:
        """See `Tallies.mark`."""
        args = ("mark", page_of(page), expected, mark_of(mark))
        return await self._ask("tallies", self._book_keys(book), args, _flag)

    def _book_keys(self, book: str) -> list[str]:
        """Of a book: its numbers, headings and marks, each by page."""
        tagged = self._tagged(name_of(book))
        return [f"{tagged}tn", f"{tagged}th", f"{tagged}tm"]

    def _line_key(self, book: str, page: str) -> str:
        return f"{self._tagged(name_of(book))}tl{page_key(page_of(page))}"


def _flag(reply: bytes) -> bool:
    return bool(int(reply))


def _pages(reply: bytes) -> tuple[Page, ...]:
    rows = zip(*[iter(lines_of(reply))] * 5, strict=True)
    return tuple(
        Page(name, heading, mark, int(lines), int(lost)) for name, heading, mark, lines, lost in sorted(rows)
    )


def _lines(reply: bytes) -> tuple[tuple[str, int], ...]:
    words = lines_of(reply)
    return tuple(sorted(zip(words[::2], map(int, words[1::2]), strict=True)))
