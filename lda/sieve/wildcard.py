"""wildcard - the patterns of ``:matches`` (RFC 5228 section 2.7.1), in bounded time.

A pattern is split at its stars into pieces of fixed length. The first piece is tied to the start, the last to
the end, each other one to its first place after the one before: that is the shortest expansion of every star
from left to right (RFC 5229 section 3.2), found without backtracking.
"""

from __future__ import annotations

import re

Span = tuple[int, int]


class _Piece:
    """What stands between two stars: literal text, with ``?`` here and there. marks: where those are."""

    __slots__ = ("literal", "marks", "pattern", "size")

    def __init__(self, characters: list[str | None]) -> None:
        self.size = len(characters)
        self.marks = [index for index, character in enumerate(characters) if character is None]
        self.literal = "".join(character or "" for character in characters)
        self.pattern: re.Pattern[str] | None = None
        if self.marks:
            # Only fixed characters and dots: matching at one place takes time linear in the piece.
            source = "".join("." if c is None else re.escape(c) for c in characters)
            self.pattern = re.compile(source, re.DOTALL)

    def at(self, value: str, position: int) -> bool:
        """It stands at *position*."""
        if self.pattern is None:
            return value.startswith(self.literal, position)
        return self.pattern.match(value, position) is not None

    def after(self, value: str, position: int, end: int) -> int:
        """Its first place in value[position:end]; -1 without one."""
        if self.pattern is None:
            return value.find(self.literal, position, end)
        found = self.pattern.search(value, position, end)
        return -1 if found is None else found.start()

    def spans(self, position: int) -> list[Span]:
        """What its question marks cover."""
        return [(position + mark, position + mark + 1) for mark in self.marks]


class Wildcard:
    """One compiled pattern."""

    __slots__ = ("_first", "_last", "_least", "_middle")

    def __init__(self, pattern: str) -> None:
        pieces = _pieces(pattern)
        self._first = pieces[0]
        self._middle = pieces[1:-1]
        self._last = pieces[-1] if len(pieces) > 1 else None
        self._least = sum(piece.size for piece in pieces)

    def match(self, value: str) -> bool:
        """The whole of *value* fits."""
        return self.find(value) is not None

    def find(self, value: str) -> list[Span] | None:
        """What each wildcard covers, in order; None if *value* does not fit."""
        length = len(value)
        if length < self._least or not self._first.at(value, 0):
            return None
        spans = self._first.spans(0)
        position = self._first.size
        if self._last is None:
            return spans if length == position else None
        tail = length - self._last.size
        if not self._last.at(value, tail):
            return None
        for piece in self._middle:
            place = piece.after(value, position, tail)
            if place < 0:
                return None
            spans.append((position, place))
            spans += piece.spans(place)
            position = place + piece.size
        spans.append((position, tail))
        spans += self._last.spans(tail)
        return spans


def _pieces(pattern: str) -> list[_Piece]:
    """Split at the stars; a backslash makes the next character an ordinary one."""
    pieces: list[list[str | None]] = [[]]
    escaped = False
    for character in pattern:
        if escaped or character not in "\\*?":
            pieces[-1].append(character)
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "*":
            pieces.append([])
        else:
            pieces[-1].append(None)
    if escaped:
        pieces[-1].append("\\")
    return [_Piece(piece) for piece in pieces]
