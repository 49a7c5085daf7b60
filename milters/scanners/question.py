"""question - one request to a scanner and how its answer is read. Pure."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tamis.errors import TamisError

T = TypeVar("T")

Content = bytes | mmap.mmap
Piece = bytes | memoryview

MAX_ANSWER_BYTES = 1 << 20


class Declined(TamisError):
    """A scanner that is well says that it could not judge this message."""


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """pieces: what is sent, asked for anew at each server. whole: whether all of an answer is there.

    read: the answer in it. It raises ProtocolError for one that is none, and Declined for a refusal."""

    pieces: Callable[[], Iterable[Piece]]
    whole: Callable[[bytes], bool]
    read: Callable[[bytes], T]


def ends_with_peer(_answer: bytes) -> bool:
    """The answer is whole when the server hangs up."""
    return False
