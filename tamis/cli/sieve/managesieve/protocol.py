"""protocol - replies of a ManageSieve server (RFC 5804 section 4): bytes in, whole replies out. No socket in here.

A reply is any number of lines of strings, and a last one that begins with OK, NO or BYE. Its size, the length of a
line and the number of lines have a bound, whatever the server says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tamis.errors import ProtocolError

MAX_REPLY_BYTES = 16 << 20
MAX_LINES_BYTES = 1 << 20  # of a reply, without its literals
MAX_LINE_BYTES = 16 << 10
MAX_LINES = 10_000

Token = bytes | str
"""bytes: a string, quoted or literal; str: a word or a parenthesis, in capitals."""

_LITERAL = re.compile(rb"\{([0-9]{1,10})\+?\}\Z")
_TOKEN = re.compile(rb'[ \t]*(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([()]|[^\s"(){}\\]+))', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_ENDINGS = {"OK", "NO", "BYE"}


@dataclass(frozen=True, slots=True)
class Reply:
    """status: OK, NO or BYE. code: the response code, "" without one. lines: what came before, string by string."""

    status: str
    code: str
    argument: str
    text: str
    lines: tuple[tuple[Token, ...], ...]


class Replies:
    """Feed it what the socket gave, in any pieces; take out whole replies."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # bytes known to hold no line end: feeding stays linear
        self._literal: int | None = None
        self._tokens: list[Token] = []
        self._lines: list[tuple[Token, ...]] = []
        self._bytes = 0
        self._line_bytes = 0

    def feed(self, data: bytes) -> None:
        """More bytes."""
        self._buffer += data

    @property
    def pending(self) -> int:
        """Bytes that belong to no reply that was taken out."""
        return len(self._buffer)

    def take(self) -> Reply | None:
        """The next reply; None: it is not whole yet. Raises ProtocolError; nothing more can be read then."""
        while (line := self._line()) is not None:
            if not line:
                continue
            if line[0] in _ENDINGS:
                lines, self._lines = tuple(self._lines), []
                self._bytes = self._line_bytes = 0
                return _ending(line, lines)
            if isinstance(line[0], str):
                raise ProtocolError(f"a line that is no reply: {line[0][:80]}")
            self._lines.append(line)
            if len(self._lines) > MAX_LINES:
                raise ProtocolError(f"a reply of more than {MAX_LINES} lines")
        return None

    def _line(self) -> tuple[Token, ...] | None:
        """The next whole line; a literal does not end one."""
        while (piece := self._piece()) is not None:
            if self._literal is not None:
                self._tokens.append(piece)
                self._literal = None
                continue
            literal = _LITERAL.search(piece)
            self._tokens += _tokens(piece[: literal.start()] if literal else piece)
            if literal is None:
                line, self._tokens = tuple(self._tokens), []
                return line
            self._literal = int(literal[1])
            self._count(self._literal)
        return None

    def _piece(self) -> bytes | None:
        """The literal that is due, or what is left of the line."""
        if self._literal is not None:
            if len(self._buffer) < self._literal:
                return None
            return self._cut(self._literal, 0)
        end = self._buffer.find(b"\r\n", self._searched)
        if (end if end >= 0 else len(self._buffer)) > MAX_LINE_BYTES:
            raise ProtocolError(f"a line of more than {MAX_LINE_BYTES} bytes")
        if end < 0:
            self._searched = max(0, len(self._buffer) - 1)
            return None
        self._line_bytes += end + 2
        if self._line_bytes > MAX_LINES_BYTES:
            raise ProtocolError(f"lines of more than {MAX_LINES_BYTES} bytes")
        return self._cut(end, 2)

    def _cut(self, length: int, ending: int) -> bytes:
        piece = bytes(self._buffer[:length])
        del self._buffer[: length + ending]
        self._searched = 0
        return piece

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > MAX_REPLY_BYTES:
            raise ProtocolError(f"a reply of more than {MAX_REPLY_BYTES} bytes")


def _tokens(piece: bytes) -> list[Token]:
    found: list[Token] = []
    position = 0
    piece = piece.rstrip(b" \t")
    while position < len(piece):
        match = _TOKEN.match(piece, position)
        if match is None:
            raise ProtocolError(f"a line that is no reply: {ascii(piece[:80])[2:-1]}")
        position = match.end()
        if match[1] is not None:
            found.append(_ESCAPED.sub(rb"\1", match[1]))
        else:
            found.append(match[2].decode("ascii", "replace").upper())
    return found


def _ending(line: tuple[Token, ...], lines: tuple[tuple[Token, ...], ...]) -> Reply:
    status, *rest = line
    code = argument = ""
    if rest[:1] == ["("]:
        if ")" not in rest:
            raise ProtocolError("a response code without an end")
        end = rest.index(")")
        inside, rest = rest[1:end], rest[end + 1 :]
        code, *arguments = map(text_of, inside or [""])
        argument = " ".join(arguments)
    if len(rest) > 1 or (rest and isinstance(rest[0], str)):
        raise ProtocolError(f"more behind {text_of(status)} than one string")
    return Reply(text_of(status), code, argument, text_of(rest[0]) if rest else "", lines)


def text_of(token: Token) -> str:
    """A token as text; octets that are no UTF-8 become U+FFFD."""
    return token if isinstance(token, str) else token.decode("utf-8", "replace")
