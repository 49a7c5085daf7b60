"""lex - octets of a script to tokens with their place (RFC 5228 section 8.1). Pure; knows no grammar.

Line ends may be CRLF or a bare LF: editors and ManageSieve clients write both. In string values every line end
is CRLF, as the RFC has it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from lda.sieve.limits import Limits
from lda.sieve.plan import Source

# The names are sievelib's: parse.py hands these tokens to its grammar.
_TOKEN = re.compile(
    rb"""(?P<blank>[ \t\r\n]+)
    | (?P<hash_comment>\#[^\n]*)
    | (?P<bracket_comment>/\*)
    | (?P<string>")
    | (?P<multiline>[tT][eE][xX][tT]:)
    | (?P<tag>:[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>[0-9]+[KMGkmg]?(?![A-Za-z0-9_]))
    | (?P<identifier>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<left_bracket>\[) | (?P<right_bracket>\])
    | (?P<left_parenthesis>\() | (?P<right_parenthesis>\))
    | (?P<left_cbracket>\{) | (?P<right_cbracket>\})
    | (?P<semicolon>;) | (?P<comma>,)""",
    re.VERBOSE,
)
_QUOTED = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_STRAY_CR = re.compile(rb"\r(?!\n)")
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_TEXT_HEAD = re.compile(rb"text:[ \t]*(?:#[^\n]*)?\r?\n", re.IGNORECASE)
_TEXT_END = re.compile(rb"^\.\r?\n", re.MULTILINE)
_DOT_STUFFED = re.compile(rb"^\.\.", re.MULTILINE)
_LINE_END = re.compile(rb"\r?\n")
_JUNK = re.compile(rb"[^ \t\r\n;{}()\[\],\"]{1,40}")

MAX_SHOWN_BYTES = 2000
MAX_NUMBER = 2**64 - 1
_UNITS = {b"K": 1 << 10, b"M": 1 << 20, b"G": 1 << 30}


class Fault(Exception):  # parse.py turns it into a Diagnostic, which is the error
    """The text is no script at *offset*. text, hint: as in Diagnostic."""

    def __init__(self, offset: int, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.offset = offset
        self.text = text
        self.hint = hint


class Token(bytes):
    """One token: its octets as written, its kind, where it starts and where the next one may start.

    value: the text of a string, the name of an identifier or tag in lower case, a number in decimal digits."""

    kind: str
    offset: int
    end: int
    value: str


class Lines:
    """Offsets to lines and columns."""

    def __init__(self, source: bytes, name: str) -> None:
        self._source = source
        self._name = name
        self._starts = [0, *(match.end() for match in re.finditer(rb"\n", source))]
        self._known = (0, 1)
        """An offset and its column: places are asked for in order, and lines may be long."""

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of *offset*, from 1; columns in characters."""
        line = bisect_right(self._starts, offset)
        start, column = self._starts[line - 1], 1
        known, known_column = self._known
        if start <= known <= offset:
            start, column = known, known_column
        column += len(self._source[start:offset].decode("utf-8", "replace"))
        self._known = (offset, column)
        return line, column

    def at(self, offset: int) -> Source:
        """*offset* as a diagnostic names it."""
        return Source(self._name, *self.place(offset))

    def text(self, line: int) -> str:
        """The line without its end; "" if it is longer than anybody would read."""
        if not 0 < line <= len(self._starts):
            return ""
        end = self._starts[line] if line < len(self._starts) else len(self._source)
        if end - self._starts[line - 1] > MAX_SHOWN_BYTES:
            return ""
        return self._source[self._starts[line - 1] : end].decode("utf-8", "replace").rstrip("\r\n")


def tokens(source: bytes, limits: Limits, start: int = 0) -> Iterator[Token]:
    """The tokens from *start* on, without blanks. Raises Fault.

    The reader may move the position back by setting the `end` of the token in its hands."""
    position = start
    while position < len(source):
        match = _TOKEN.match(source, position)
        if match is None:
            raise _unknown(source, position)
        kind = match.lastgroup or ""
        if kind == "blank":
            position = match.end()
            continue
        token = _token(source, kind, match, limits)
        yield token
        position = token.end


def _token(source: bytes, kind: str, match: re.Match[bytes], limits: Limits) -> Token:
    """The whole token that begins with *match*."""
    offset, end, value = match.start(), match.end(), ""
    if kind == "string":
        end, value = _quoted(source, offset)
    elif kind == "multiline":
        kind = "string"
        end, value = _multiline(source, offset)
    elif kind == "bracket_comment":
        end = _comment_end(source, offset)
    elif kind == "number":
        value = _number(match[0], offset)
    elif kind in ("identifier", "tag"):
        if len(match[0]) - (kind == "tag") > limits.identifier_chars:
            raise Fault(offset, f"identifier is too long (more than {limits.identifier_chars} characters)")
        value = match[0].decode("ascii").lower()
    if len(value) > limits.string_bytes:
        raise Fault(offset, f"string is too long (more than {limits.string_bytes} bytes)")
    token = Token(source[offset:end])
    token.kind, token.offset, token.end, token.value = kind, offset, end, value
    return token


def _quoted(source: bytes, offset: int) -> tuple[int, str]:
    match = _QUOTED.match(source, offset)
    if match is None:
        raise Fault(offset, "string is not closed before the end of the file", "a quote '\"' is missing")
    value = match[1]
    _refuse_stray(value, match.start(1))
    if b"\\" in value:
        value = _ESCAPE.sub(rb"\1", value)
    return match.end(), _text(value)


def _multiline(source: bytes, offset: int) -> tuple[int, str]:
    head = _TEXT_HEAD.match(source, offset)
    if head is None:
        raise Fault(offset, "nothing but a comment may follow 'text:' on its line")
    end = _TEXT_END.search(source, head.end())
    if end is None:
        raise Fault(
            offset,
            "multi-line string is not closed before the end of the file",
            "end it with a line of a single '.'",
        )
    _refuse_stray(source[head.end() : end.start()], head.end())
    return end.end(), _text(_DOT_STUFFED.sub(b".", source[head.end() : end.start()]))


def _refuse_stray(value: bytes, offset: int) -> None:
    """A line end is CRLF or LF; a CR alone is neither (RFC 5228 section 8.1)."""
    stray = _STRAY_CR.search(value) if b"\r" in value else None
    if stray is not None:
        raise Fault(
            offset + stray.start(),
            "found a stray carriage return (CR) in a string",
            "line ends are CRLF or LF",
        )


def _text(value: bytes) -> str:
    return (
        _LINE_END.sub(b"\r\n", value).decode("utf-8", "surrogateescape")
        if b"\n" in value
        else value.decode("utf-8", "surrogateescape")
    )


def _comment_end(source: bytes, offset: int) -> int:
    end = source.find(b"*/", offset + 2)
    if end < 0:
        raise Fault(offset, "comment is not closed before the end of the file", "'*/' is missing")
    return end + 2


def _number(written: bytes, offset: int) -> str:
    unit = _UNITS.get(written[-1:].upper(), 1)
    digits = written if unit == 1 else written[:-1]
    # Twenty digits hold 2^64; longer ones need not be converted (quadratic) to be refused.
    value = int(digits) * unit if len(digits.lstrip(b"0")) <= 20 else MAX_NUMBER + 1
    if value > MAX_NUMBER:
        raise Fault(offset, "number is too large (more than 64 bits)")
    return str(value)


def _unknown(source: bytes, position: int) -> Fault:
    octet = source[position : position + 1]
    if octet == b":":
        return Fault(position, "':' begins no tag", "a tag's name follows its ':' directly")
    if octet < b" " or octet > b"~":
        return Fault(position, f"unexpected character 0x{octet[0]:02x} outside of strings and comments")
    match = _JUNK.match(source, position)
    return Fault(
        position, f"unexpected character(s) '{(match[0] if match else octet).decode('utf-8', 'replace')}'"
    )
