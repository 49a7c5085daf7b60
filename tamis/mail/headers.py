"""headers - the header section of a message: ordered, lossless, bounded. Pure.

Splits what RFC 5322 section 2.2 calls fields and keeps every byte: joining the raw fields gives the section
back. It decodes nothing: values are bytes, folded as received (`unfold` joins the lines).

A line that is neither a field nor a continuation ends the section, as in Postfix.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_FIELDS = 10_000
MAX_HEADER_BYTES = 4 << 20

# RFC 5322 section 2.2: printable ASCII but colon; blanks before the colon are obsolete and common (4.5.8).
# Lines that begin with a blank belong to the field before.
_FIELD = re.compile(rb"([\x21-\x39\x3b-\x7e]+)[ \t]*:[^\n]*+(?:\n[ \t][^\n]*+)*+\n?")
_FOLD = re.compile(rb"\r?\n(?=[ \t])")


class Field(NamedTuple):
    """One header field. name: as written, without colon; raw: the whole field with its line ends."""

    name: str
    raw: bytes

    @property
    def value(self) -> bytes:
        """Everything after the colon, still folded, without the last line end."""
        return self.raw.partition(b":")[2].rstrip(b"\r\n")


class Headers:
    """The fields of a message in order; look-up by name is case-insensitive and O(1)."""

    __slots__ = ("_by_name", "_fields")

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self._fields = fields
        self._by_name: dict[str, list[Field]] = {}
        for field in fields:
            self._by_name.setdefault(field.name.lower(), []).append(field)

    def __iter__(self) -> Iterator[Field]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def all(self, name: str) -> tuple[Field, ...]:
        """All fields of that name, topmost first."""
        return tuple(self._by_name.get(name.lower(), ()))

    def first(self, name: str) -> bytes:
        """The unfolded, stripped value of the topmost field of that name; empty without one."""
        fields = self._by_name.get(name.lower())
        return unfold(fields[0].value).strip(b" \t") if fields else b""


def unfold(value: bytes) -> bytes:
    """*value* on one line: line ends before blanks removed (RFC 5322 section 2.2.3)."""
    return _FOLD.sub(b"", value)


def split(raw: bytes) -> tuple[Headers, int]:
    """The header section of *raw* and the offset at which the body starts (after the empty line, if any).

    More than `MAX_FIELDS` fields or `MAX_HEADER_BYTES` bytes: the rest counts as body."""
    fields: list[Field] = []
    position, end = 0, min(len(raw), MAX_HEADER_BYTES)
    while position < end and len(fields) < MAX_FIELDS:
        match = _FIELD.match(raw, position)
        if match is None:
            break
        fields.append(Field(match[1].decode("ascii"), match[0]))
        position = match.end()
    if position < end and len(fields) < MAX_FIELDS and raw.startswith((b"\n", b"\r\n"), position):
        position += 1 if raw[position] == 10 else 2
    return Headers(tuple(fields)), position
