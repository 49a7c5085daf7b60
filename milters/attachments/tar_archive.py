"""tar_archive - the members of a tar archive (POSIX ustar and pax, GNU long names and numbers). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from milters.attachments.formats import is_tar
from milters.attachments.limits import Budget, Damaged
from milters.attachments.member import MAX_NAME_BYTES, Member, distinct

BLOCK = 512
_ZEROS = bytes(BLOCK)
MAX_PAX_BYTES = 1 << 20

_LONG_NAME, _PAX, _PAX_ALL = b"L", b"x", b"g"
_FILES = (b"0", b"\x00", b"7", b"S")  # plain, as plain as of old, contiguous, sparse


@dataclass(slots=True)
class _Next:
    """What the blocks before a member say about it."""

    names: list[str] = field(default_factory=list)
    size: int | None = None


def members(data: bytes, budget: Budget) -> Iterator[Member]:
    """Those that are files. Raises Damaged where a header is none, and Limit."""
    position = 0
    known, ended = _Next(), False
    while position + BLOCK <= len(data):
        header = data[position : position + BLOCK]
        budget.tick()
        if header == _ZEROS:  # the end, for those who do not look further
            ended, position = True, position + BLOCK
            continue
        if not is_tar(header):
            if ended:
                return
            raise Damaged("header without its sum")
        size, kind = _number(header[124:136]), header[156:157]
        start = position + BLOCK
        if kind == _LONG_NAME:
            known.names.append(_text(data[start : start + min(size, MAX_NAME_BYTES)]))
        elif kind == _PAX:
            _read_pax(data[start : start + min(size, MAX_PAX_BYTES)], known)
        elif kind != _PAX_ALL:
            size = known.size if known.size is not None else size
            if kind in _FILES:
                yield _member(data, start, size, known.names, header)
            known = _Next()
        position = start + (size + BLOCK - 1) // BLOCK * BLOCK
    if position > len(data):
        raise Damaged("ends early")


def _member(data: bytes, start: int, size: int, names: list[str], header: bytes) -> Member:
    prefix = _text(header[345:500]) if header[257:262] == b"ustar" else ""
    name = _text(header[:100])
    own = f"{prefix}/{name}" if prefix else name
    return Member(
        names=distinct(*names, own),
        size=size,
        read=lambda most: data[start : min(start + size, start + most)],
    )


def _read_pax(records: bytes, known: _Next) -> None:
    """``LENGTH KEY=VALUE LF``, of which the path and the size count."""
    position = 0
    while position < len(records):
        digits, blank, _ = records[position : position + 20].partition(b" ")
        if not blank or not digits.isdigit() or int(digits) <= len(digits) + 1:
            raise Damaged("pax record without its length")
        record = records[position + len(digits) + 1 : position + int(digits)]
        key, _, value = record.rstrip(b"\n").partition(b"=")
        if key in (b"path", b"GNU.sparse.name"):
            known.names.append(_text(value[:MAX_NAME_BYTES]))
        elif key == b"size" and value.isdigit() and len(value) < 20:
            known.size = int(value)
        position += int(digits)


def _number(digits: bytes) -> int:
    """Octal digits, or GNU's binary form. Raises Damaged."""
    if digits[0] & 0x80:
        value = int.from_bytes(digits[1:], "big")
        if digits[0] == 0x80 and value < 1 << 63:
            return value
        raise Damaged("a size below zero or without end")
    try:
        return int(digits.strip(b" \x00") or b"0", 8)
    except ValueError as exc:
        raise Damaged("a size that is no number") from exc


def _text(name: bytes) -> str:
    return name.partition(b"\x00")[0].decode("utf-8", "replace")
