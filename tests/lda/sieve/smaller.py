"""Make a failing example small: take tokens out of the script and lines out of the message while it still fails."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

Piece = TypeVar("Piece", str, bytes)
MAX_TRIES = 1500

_TOKEN = re.compile(
    r'text:[^\n]*\n(?:.*\n)*?\.\r?\n|"(?:[^"\\]|\\.)*"|/\*.*?\*/|#[^\n]*|:?[A-Za-z0-9_]+|[{}()\[\];,]|\S',
    re.DOTALL,
)
_OPEN = {"{": "}", "(": ")", "[": "]"}


def tokens(script: str) -> list[str]:
    """The words of *script*."""
    return _TOKEN.findall(script)


def smaller_script(script: str, fails: Callable[[str], bool]) -> str:
    """A script made out of *script* by leaving tokens out that *fails* too."""

    def still(pieces: Sequence[str]) -> bool:
        return fails(" ".join(pieces))

    pieces = _without_groups(tokens(script), still)
    return " ".join(_without_pieces(pieces, still))


def smaller_message(message: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """A message made out of *message* by leaving lines out that *fails* too."""
    return b"".join(
        _without_pieces(message.splitlines(keepends=True), lambda pieces: fails(b"".join(pieces)))
    )


def _without_groups(pieces: list[str], still: Callable[[Sequence[str]], bool]) -> list[str]:
    """Whole commands first: up to a semicolon or the end of a block; then blocks without what is around them."""
    again = True
    while again:
        again = False
        start = 0
        while start < len(pieces):
            for candidate in _shorter(pieces, start):
                if still(candidate):
                    pieces, again = candidate, True
                    break
            else:
                start += 1
    return pieces


def _shorter(pieces: list[str], start: int) -> list[list[str]]:
    found = []
    if start == 0 or pieces[start - 1] in (";", "{", "}"):
        end = _statement(pieces, start)
        found.append(pieces[:start] + pieces[end:])
        opening = next((n for n in range(start, end) if pieces[n] == "{"), -1)
        if opening > 0 and pieces[end - 1] == "}":
            found.append(pieces[:start] + pieces[opening + 1 : end - 1] + pieces[end:])
    if pieces[start] in _OPEN:
        end = _closing(pieces, start)
        found.append(pieces[: start + 1] + pieces[end - 1 :])
        found += [
            [*pieces[:start], pieces[n], *pieces[end:]] for n in range(start + 1, end - 1) if pieces[n] != ","
        ]
    return [candidate for candidate in found if len(candidate) < len(pieces)]


def _statement(pieces: list[str], start: int) -> int:
    """Where the command that begins there ends."""
    at = start
    while at < len(pieces):
        if pieces[at] == ";":
            return at + 1
        if pieces[at] == "}":
            return at
        if pieces[at] in _OPEN:
            closed = _closing(pieces, at)
            if pieces[at] == "{":
                return closed
            at = closed
        else:
            at += 1
    return at


def _closing(pieces: list[str], start: int) -> int:
    depth = 0
    for at in range(start, len(pieces)):
        depth += (pieces[at] in _OPEN) - (pieces[at] in _OPEN.values())
        if depth == 0:
            return at + 1
    return len(pieces)


def _without_pieces(pieces: list[Piece], still: Callable[[Sequence[Piece]], bool]) -> list[Piece]:
    """Ever smaller runs of pieces."""
    size, tries = max(1, len(pieces) // 2), 0
    while True:
        start, changed = 0, False
        while start < len(pieces) and tries < MAX_TRIES:
            tries += 1
            candidate = pieces[:start] + pieces[start + size :]
            if still(candidate):
                pieces, changed = candidate, True
            else:
                start += size
        if size == 1 and not changed:
            return pieces
        size = max(1, size // 2)
        if tries >= MAX_TRIES:
            return pieces
