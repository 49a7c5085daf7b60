"""protocol - the framing between tamis-lda and the resident engine. Pure.

Wire:
    request  = "tamis-lda/1 " envelope-bytes " " message-bytes [ " fd:" start ] LF  envelope  [ message ]
    envelope = *( name "=" value NUL )          any octets in value but NUL
    reply    = ( exit-status / "away" ) " " [ text ] LF, then the engine closes

Both lengths come first, so a cut connection can never look like a whole message, and a byte more is an
error. With ``fd:`` the message is no part of the request: it lies from *start* on in a file whose descriptor comes
with the first byte (SCM_RIGHTS). The clients (lda/client) write this framing in their own words: they may not import
anything.
"""

from __future__ import annotations

from collections.abc import Mapping

from tamis.errors import ProtocolError
from tamis.outcome import clean

MAGIC = b"tamis-lda/1"
MAX_FIRST_LINE_BYTES = 64
MAX_ENVELOPE_BYTES = 16 << 10
AWAY = "away"
"""Instead of an exit status: nothing was done, the client is to deliver by itself."""

NAMES = frozenset(
    ["user", "sender", "recipient", "original_recipient", "mailbox", "queue_id", "create", "subscribe"]
)


class Handoff:
    """One request. Feed it what the socket gave: it hands on the message's bytes and knows when it is
    whole."""

    def __init__(self, max_message_bytes: int = 0) -> None:
        self._limit = max_message_bytes
        self._head = bytearray()
        self._envelope_bytes = -1
        self._missing = -1
        self.envelope: dict[str, str] = {}
        self.message_bytes = 0
        """What the client announced; known with the first piece."""
        self.start: int | None = None
        """Where the message begins in the file that came with the request; None: it comes on the wire."""

    @property
    def complete(self) -> bool:
        """Every announced byte is there. Only then may the message be delivered."""
        return self._missing == 0

    @property
    def too_large(self) -> bool:
        """The announced message is over the limit: answer without reading it."""
        return bool(self._limit) and self.message_bytes > self._limit

    def feed(self, data: bytes) -> bytes:
        """The message's bytes in *data*. Raises ProtocolError; the connection is then of no further use."""
        if self._missing < 0:
            self._head += data
            data = self._body_of_head()
            if self._missing < 0:
                return b""
        if len(data) > self._missing:
            raise ProtocolError("bytes after the end of the message")
        self._missing -= len(data)
        return data

    def _body_of_head(self) -> bytes:
        """Parse first line and envelope as far as they are there; what follows them is the message."""
        if self._envelope_bytes < 0:
            line, newline, rest = self._head.partition(b"\n")
            if not newline:
                if len(line) > MAX_FIRST_LINE_BYTES:
                    raise ProtocolError("no request in the first line")
                return b""
            self._read_first(bytes(line))
            self._head = rest
        if len(self._head) < self._envelope_bytes:
            return b""
        self.envelope = _envelope(bytes(self._head[: self._envelope_bytes]))
        self._missing = self.message_bytes if self.start is None else 0
        body = bytes(self._head[self._envelope_bytes :])
        self._head = bytearray()
        return body

    def _read_first(self, line: bytes) -> None:
        magic, *words = line.split(b" ")
        if len(line) > MAX_FIRST_LINE_BYTES or magic != MAGIC or not 2 <= len(words) <= 3:
            raise ProtocolError("not a hand-off of this version")
        if len(words) == 3:
            self.start = _number(words.pop().removeprefix(b"fd:"))
        envelope_bytes, self.message_bytes = map(_number, words)
        if envelope_bytes > MAX_ENVELOPE_BYTES:
            raise ProtocolError(f"an envelope has at most {MAX_ENVELOPE_BYTES} bytes")
        self._envelope_bytes = envelope_bytes


def _number(word: bytes) -> int:
    if not word.isdigit():
        raise ProtocolError("a length is not a number")
    return int(word)


def _envelope(raw: bytes) -> dict[str, str]:
    envelope: dict[str, str] = {}
    if raw and not raw.endswith(b"\0"):
        raise ProtocolError("the envelope's last value has no end")
    for pair in raw.split(b"\0")[:-1]:
        name, equals, value = pair.decode("utf-8", "surrogateescape").partition("=")
        if not equals or name not in NAMES:
            raise ProtocolError("the envelope names something unknown")
        if name in envelope:
            raise ProtocolError(f"the envelope names {name} twice")
        envelope[name] = value
    return envelope


def encode(envelope: Mapping[str, str], message: bytes) -> bytes:
    """A request. A NUL in a value would forge the next one: it is refused."""
    if any("\0" in value for value in envelope.values()):
        raise ValueError("NUL in an envelope")
    head = "".join(f"{name}={value}\0" for name, value in envelope.items())
    raw = head.encode("utf-8", "surrogateescape")
    return b"%s %d %d\n%s%s" % (MAGIC, len(raw), len(message), raw, message)


def reply(status: int | str, text: str) -> bytes:
    """An answer: an exit status, or `AWAY`, and one line of text."""
    return f"{status} {clean(text)}\n".encode("ascii")
