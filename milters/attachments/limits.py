"""limits - how far attachments are looked into, and what has been used of it. Pure: the clock is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tamis.config.schema import Duration, Size, option

SMALL_BYTES = 10 << 20  # up to that no ratio is suspicious: a picture of one colour has one of 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Its fields are options: ``[milter.checks.attachments.limits]``; all are for one message."""

    depth: int = option(5, "archives in archives: 1 is one that is attached", at_least=1, at_most=20)
    files: int = option(10_000, "attachments and members of archives", at_least=1, at_most=1_000_000)
    unpacked: Size = option(Size(100 << 20), "all that is unpacked", at_least=1 << 20, at_most=1 << 30)
    ratio: int = option(200, "past 10 MiB, a file may be so many times larger than it is packed", at_least=10)
    seconds: Duration = option(
        Duration(10.0), "then the process that looks is killed", at_least=0.1, at_most=120
    )


class Limit(Exception):
    """A limit is reached. word: which (an option's name, or memory)."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class Damaged(Exception):
    """A file is not as its format wants it; the text says what."""


class Unreadable(Exception):
    """A content that is packed in a way that we cannot undo; the text says which."""


class Budget:
    """What is left of `Limits` while one message is looked into."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._clock = clock
        self._end = clock() + limits.seconds
        self.files = 0
        self.unpacked = 0

    def file(self, depth: int) -> None:
        """One more attachment (depth 0) or member. Raises Limit."""
        self.files += 1
        if self.files > self.limits.files:
            raise Limit("files")
        if depth > self.limits.depth:
            raise Limit("depth")
        self.tick()

    def tick(self) -> None:
        """Raises Limit where the time is over."""
        if self._clock() > self._end:
            raise Limit("seconds")

    def spend(self, size: int, total: int, packed: int) -> None:
        """*size* more bytes are unpacked, *total* in all from *packed* bytes of one file. Raises Limit."""
        self.unpacked += size
        if self.unpacked > self.limits.unpacked:
            raise Limit("unpacked")
        self.proportion(total, packed)
        self.tick()

    def proportion(self, total: int, packed: int) -> None:
        """Raises Limit for a file that says, or proves, to grow beyond all measure."""
        if total > SMALL_BYTES and total > packed * self.limits.ratio:
            raise Limit("ratio")
