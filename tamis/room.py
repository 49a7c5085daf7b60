"""room - the wire by which tamis-policyd asks the delivery engine whether a user has room for a message. Pure.

    question = "tamis-room/1 " size " " address LF     octets, 0 where nobody knows them yet
    answer   = status " " text LF                      RFC 3463

One connection takes any number of questions, each answered in its turn; it begins like a hand-off of tamis-lda and
comes to the same socket. The status says all: 2.x.x there is room, x.2.2 there is none, 5.1.x there is no such
user; with any other nothing is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from tamis.errors import ProtocolError
from tamis.outcome import clean

MAGIC = b"tamis-room/1 "
MAX_LINE_BYTES = 1024

Meaning = Literal["room", "full", "unknown", "unsure"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_QUESTION = re.compile(rb"tamis-room/1 ([0-9]{1,18}) ([^\x00-\x1f\x7f]+)")
_ANSWER = re.compile(rb"([245]\.[0-9]{1,3}\.[0-9]{1,3}) ([\x20-\x7e]+)")


@dataclass(frozen=True, slots=True)
class Question:
    """Whether the user whose mail *address* is may have *size_bytes* more; 0: not known."""

    address: str
    size_bytes: int = 0

    def encode(self) -> bytes:
        """Raises ValueError for what cannot be asked: a control character would forge the next question."""
        raw = self.address.encode("utf-8", "surrogateescape")
        line = b"%s%d %s\n" % (MAGIC, max(0, self.size_bytes), raw)
        if not raw or _CONTROL.search(self.address) or len(line) > MAX_LINE_BYTES:
            raise ValueError("not an address that can be asked about")
        return line


@dataclass(frozen=True, slots=True)
class Answer:
    """An enhanced status code and a sentence."""

    status: str
    text: str

    @property
    def meaning(self) -> Meaning:
        """What the status says."""
        klass, _, detail = self.status.partition(".")
        if klass == "2":
            return "room"
        if detail == "2.2":
            return "full"
        return "unknown" if klass == "5" and detail.startswith("1.") else "unsure"

    def encode(self) -> bytes:
        """The line; what is not printable ASCII in the sentence is replaced."""
        return f"{self.status} {clean(self.text).strip() or 'no reason given'}\n".encode("ascii")


ROOM = Answer("2.0.0", "There is room")


def is_question(start: bytes) -> bool | None:
    """Whether a connection that begins with *start* brings questions; None: too early to say."""
    if len(start) < len(MAGIC) and MAGIC.startswith(start):
        return None
    return start.startswith(MAGIC)


def parse_question(line: bytes) -> Question:
    """A line without its end. Raises ProtocolError."""
    if not (match := _QUESTION.fullmatch(line)):
        raise ProtocolError("not a question of this version")
    return Question(match[2].decode("utf-8", "surrogateescape"), int(match[1]))


def parse_answer(line: bytes) -> Answer:
    """A line without its end. Raises ProtocolError."""
    if not (match := _ANSWER.fullmatch(line)):
        raise ProtocolError("not an answer of this version")
    return Answer(match[1].decode(), match[2].decode())


class Lines:
    """What a socket gives, cut into lines. Length counts what waits."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def __len__(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Add *data*."""
        self._buffer += data

    def next(self) -> bytes | None:
        """The next line without its end, None where there is no whole one. Raises ProtocolError for an endless one."""
        end = self._buffer.find(b"\n", 0, MAX_LINE_BYTES)
        if end < 0:
            if len(self._buffer) >= MAX_LINE_BYTES:
                raise ProtocolError("a line without end")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line
