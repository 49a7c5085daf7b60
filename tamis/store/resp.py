r"""resp - the Redis protocol, as much of it as a store needs: bytes to replies, commands to bytes. Pure.

Arrays are not read: our scripts answer with one string.

Wire: ``*N\r\n`` then N times ``$LEN\r\nBYTES\r\n`` for a command; ``+TEXT``, ``-CODE TEXT``, ``:INT``,
``$LEN\r\nBYTES``, ``$-1`` (none), each with CRLF, for a reply. RESP2, https://redis.io/docs/reference/protocol-spec
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tamis.errors import ProtocolError

MAX_REPLY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error reply: *code* is its first word ("NOSCRIPT", "OOM"), *text* the whole line."""

    code: str
    text: str


Reply = bytes | int | None | Refusal


def encode(*words: bytes | str | int) -> bytes:
    """A command."""
    return b"*%d\r\n" % len(words) + bulks(words)


def bulks(words: Iterable[bytes | str | int]) -> bytes:
    """The words of a command without its head."""
    return b"".join([_bulk(word) for word in words])


def _bulk(word: bytes | str | int) -> bytes:
    raw = word if isinstance(word, bytes) else str(word).encode()
    return b"$%d\r\n%b\r\n" % (len(raw), raw)


class Replies:
    """Feed it what the socket gave, in any pieces; take out whole replies."""

    def __init__(self) -> None:
        self._buf = b""

    def feed(self, data: bytes) -> list[Reply]:
        """Raises ProtocolError; the connection is then of no further use."""
        buf = self._buf + data if self._buf else data
        replies: list[Reply] = []
        start = 0
        while (end := buf.find(b"\r\n", start)) >= 0:
            reply, stop = _reply(buf, start, end)
            if stop > len(buf):
                break
            replies.append(reply)
            start = stop
        self._buf = buf[start:]
        if len(self._buf) > MAX_REPLY_BYTES + 64:
            raise ProtocolError(f"no end of reply in {MAX_REPLY_BYTES} bytes")
        return replies


def _reply(buf: bytes, start: int, end: int) -> tuple[Reply, int]:
    """The reply whose first line is buf[start:end], and where the next one begins: past the end of *buf* if
    this one is not complete."""
    kind, line = buf[start : start + 1], buf[start + 1 : end]
    if kind == b"$":
        length = _integer(line)
        if length == -1:
            return None, end + 2
        if not 0 <= length <= MAX_REPLY_BYTES:
            raise ProtocolError(f"a reply of {length} bytes")
        stop = end + 2 + length
        return buf[end + 2 : stop], stop + 2
    if kind == b"+":
        return line, end + 2
    if kind == b":":
        return _integer(line), end + 2
    if kind == b"-":
        text = line.decode("ascii", "replace")
        return Refusal(text.partition(" ")[0], text), end + 2
    raise ProtocolError(f"no reply begins with {kind!r}")


def _integer(line: bytes) -> int:
    if len(line) > 20 or not line.removeprefix(b"-").isdigit():
        raise ProtocolError(f"not a number: {line[:40]!r}")
    return int(line)
