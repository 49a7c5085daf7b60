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

    read: the answer in it. It raises ProtocolError for one that is none, and Declined for a refusal.
    ends: nothing is sent after the pieces, and the server waits to be told so."""

    pieces: Callable[[], Iterable[Piece]]
    whole: Callable[[bytes], bool]
    read: Callable[[bytes], T]
    ends: bool = False
