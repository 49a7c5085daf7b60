"""text - strings of a script: constant, or put together at run time out of literal text and references.

What a reference means is the business of the extension that reads it (variables, RFC 5229); here it is a
function of the frame. A string without references costs nothing at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lda.sieve.ast import Node

if TYPE_CHECKING:
    from lda.sieve.machine import Frame

Reference = Callable[["Frame"], str]


class Text:
    """One string argument. value: the constant, or None if it must be expanded. node: where it stands."""

    __slots__ = ("_parts", "node", "value")

    def __init__(self, node: Node, parts: Sequence[str | Reference]) -> None:
        self.node = node
        literal = all(isinstance(part, str) for part in parts)
        self.value: str | None = "".join(map(str, parts)) if literal else None
        self._parts = tuple(parts)

    def __call__(self, frame: Frame) -> str:
        """The string as it is now; cut at the limit for strings."""
        if self.value is not None:
            return self.value
        room = frame.context.limits.string_bytes
        pieces = []
        for part in self._parts:
            piece = part if isinstance(part, str) else part(frame)
            pieces.append(piece[:room])
            room -= len(piece)
            if room <= 0:
                break
        text = "".join(pieces)
        frame.spend(1 + (len(text) >> 6))
        return text


Texts = tuple[Text, ...]


def constants(texts: Texts) -> tuple[str, ...] | None:
    """The values, if all are constant."""
    values = tuple(text.value for text in texts if text.value is not None)
    return values if len(values) == len(texts) else None


def expander(texts: Texts) -> Callable[[Frame], Sequence[str]]:
    """A function that gives the strings as they are when it is called."""
    fixed = constants(texts)
    if fixed is not None:
        return lambda frame: fixed
    return lambda frame: [text(frame) for text in texts]
