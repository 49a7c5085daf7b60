"""clamd - the protocol of ClamAV's daemon: INSTREAM and PING (clamd(8)). Pure.

A stream is chunks, each after its length in four bytes, and a chunk of length 0. Commands that begin with ``z`` and
end in NUL are answered with a line that ends in NUL.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from milters.scanners.question import Content, Declined, Piece, Question
from tamis.errors import ProtocolError

CHUNK_BYTES = 256 << 10

_ANSWER = re.compile(rb"stream: (?:(OK)|([!-~]{1,200}) FOUND|([ -~]{1,500}) ERROR)\0")
# clamd names no file where it gave up before there was one.
_TOO_LARGE = b"INSTREAM size limit exceeded. ERROR\0"
_ERROR = re.compile(rb"([ -~]{1,500}) ERROR\0")


@dataclass(frozen=True, slots=True)
class Scan:
    """What clamd found. signature: printable ASCII without blanks, "" for a clean message.

    too_large: it was more than clamd takes (StreamMaxLength), so nothing is known of it."""

    signature: str = ""
    too_large: bool = False


def instream(content: Content) -> Question[Scan]:
    """Scan *content*."""
    return Question(lambda: _stream(content), _whole, read)


def _stream(content: Content) -> Iterator[Piece]:
    yield b"zINSTREAM\0"
    view = memoryview(content)
    for start in range(0, len(view), CHUNK_BYTES):
        chunk = view[start : start + CHUNK_BYTES]
        yield struct.pack(">I", len(chunk))
        yield chunk
    yield struct.pack(">I", 0)


def _whole(answer: bytes) -> bool:
    return answer.endswith(b"\0")


def read(answer: bytes) -> Scan:
    """The one line in *answer*."""
    if answer == _TOO_LARGE:
        return Scan(too_large=True)
    match = _ANSWER.fullmatch(answer)
    if match is None:
        if error := _ERROR.fullmatch(answer):
            raise Declined(error[1].decode("ascii"))
        raise ProtocolError("not an answer of clamd's")
    if match[3]:
        raise Declined(match[3].decode("ascii"))
    return Scan((match[2] or b"").decode("ascii"))


def ping() -> Question[None]:
    """Are you there?"""
    return Question(lambda: (b"zPING\0",), _whole, _pong)


def _pong(answer: bytes) -> None:
    if answer != b"PONG\0":
        raise ProtocolError("not an answer of clamd's")
