"""rar_archive - the names in a rar archive, versions 1.5 to 5 (technote.txt of RAR), and the contents of what is not
compressed. Pure. What RAR has compressed only RAR can undo.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from milters.attachments.limits import Budget, Damaged, Unreadable
from milters.attachments.member import MAX_NAME_BYTES, Member, distinct

_START_4, _START_5 = b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"

_BLOCK_4 = struct.Struct("<HBHH")
_FILE_4 = struct.Struct("<2LBLLBBHL")
_MAIN_4, _ENTRY_4, _END_4 = 0x73, 0x74, 0x7B
_LOCKED_4 = 0x80  # of the main header: all others are encrypted
_SPLIT_BEFORE_4, _SPLIT_AFTER_4, _ENCRYPTED_4, _LARGE_4, _UNICODE_4, _DIRECTORY_4, _MORE_4 = (
    0x01, 0x02, 0x04, 0x100, 0x200, 0xE0, 0x8000,
)  # fmt: skip
_STORED_4 = 0x30

_ENTRY_5, _LOCK_5, _END_5 = 2, 4, 5
_EXTRA_5, _DATA_5, _SPLIT_5 = 0x1, 0x2, 0x18
_DIRECTORY_5, _TIME_5, _SUM_5 = 0x1, 0x2, 0x4
_ENCRYPTION_5 = 1
MAX_EXTRAS = 64


def members(data: bytes, budget: Budget) -> Iterator[Member]:
    """Those that are files; one without a name, encrypted, where the headers are. Raises Damaged, Limit."""
    if data.startswith(_START_5):
        yield from _members_5(data, budget)
    elif data.startswith(_START_4):
        yield from _members_4(data, budget)
    else:
        raise Damaged("rar archive of a strange version")


def _content(data: bytes, start: int, size: int, *, stored: bool) -> Callable[[int], bytes]:
    def read(most: int) -> bytes:
        if not stored:
            raise Unreadable("rar compression")
        return data[start : min(start + size, start + most)]

    return read


def _members_4(data: bytes, budget: Budget) -> Iterator[Member]:
    position = len(_START_4)
    while position + _BLOCK_4.size <= len(data):
        budget.tick()
        _sum, kind, flags, size = _BLOCK_4.unpack_from(data, position)
        if size < _BLOCK_4.size:
            raise Damaged("rar block without a size")
        body = data[position + _BLOCK_4.size : position + size]
        if kind == _MAIN_4 and flags & _LOCKED_4:
            yield Member((), encrypted=True)
            return
        position += size
        added = int.from_bytes(body[:4], "little") if flags & _MORE_4 or kind == _ENTRY_4 else 0
        if kind == _ENTRY_4:
            if len(body) < _FILE_4.size:
                raise Damaged("rar file header ends early")
            if flags & _LARGE_4:
                added |= int.from_bytes(body[_FILE_4.size : _FILE_4.size + 4], "little") << 32
            if flags & _DIRECTORY_4 != _DIRECTORY_4:
                yield _file_4(data, body, flags, position, added)
        elif kind == _END_4:
            return
        position += added


def _file_4(data: bytes, body: bytes, flags: int, start: int, packed: int) -> Member:
    _, size, _, _, _, _, method, name_bytes, _ = _FILE_4.unpack_from(body)
    at = _FILE_4.size
    if flags & _LARGE_4:
        size |= int.from_bytes(body[at + 4 : at + 8], "little") << 32
        at += 8
    name = body[at : at + min(name_bytes, MAX_NAME_BYTES)]
    plain, _, packed_name = name.partition(b"\x00")
    names = [plain.decode("utf-8", "replace")]
    if flags & _UNICODE_4 and packed_name:
        names.insert(0, _unicode(plain, packed_name))
    stored = method == _STORED_4 and not flags & (_SPLIT_BEFORE_4 | _SPLIT_AFTER_4)
    encrypted = bool(flags & _ENCRYPTED_4)
    read = None if encrypted else _content(data, start, packed, stored=stored)
    return Member(distinct(*names), size, encrypted, read)


def _unicode(plain: bytes, packed: bytes) -> str:
    """A name in UTF-16: two bits say of each character whether its high byte is 0, a common one or its own; or that
    some follow which the plain name has."""
    high, octets = packed[0], iter(packed[1:])
    found: list[int] = []
    flags, left = 0, 0
    try:
        while len(found) < MAX_NAME_BYTES:
            if not left:
                flags, left = next(octets), 8
            left -= 2
            match flags >> left & 3:
                case 0:
                    found.append(next(octets))
                case 1:
                    found.append(next(octets) | high << 8)
                case 2:
                    found.append(next(octets) | next(octets) << 8)
                case _:
                    found += _run(plain, len(found), next(octets), octets, high)
    except StopIteration:
        pass
    return b"".join(unit.to_bytes(2, "little") for unit in found).decode("utf-16-le", "replace")


def _run(plain: bytes, at: int, count: int, octets: Iterator[int], high: int) -> list[int]:
    """Characters of the plain name, moved by a correction where the highest bit of *count* is set."""
    correction = next(octets) if count & 0x80 else None
    run = plain[at : at + (count & 0x7F) + 2]
    if correction is None:
        return list(run)
    return [(octet + correction & 0xFF) | high << 8 for octet in run]


def _members_5(data: bytes, budget: Budget) -> Iterator[Member]:
    position = len(_START_5)
    while position + 4 < len(data):
        budget.tick()
        size, start = _number(data, position + 4)
        end = start + size
        if not size or end > len(data):
            raise Damaged("rar header ends early")
        kind, at = _number(data, start)
        flags, at = _number(data, at)
        extra_bytes, at = _number(data, at) if flags & _EXTRA_5 else (0, at)
        packed, at = _number(data, at) if flags & _DATA_5 else (0, at)
        if kind == _LOCK_5:
            yield Member((), encrypted=True)
            return
        if kind == _END_5:
            return
        if kind == _ENTRY_5:
            extra = data[max(at, end - extra_bytes) : end]
            yield from _file_5(data, data[at:end], extra, end, packed, split=bool(flags & _SPLIT_5))
        position = end + packed


def _file_5(
    data: bytes, body: bytes, extra: bytes, start: int, packed: int, *, split: bool
) -> Iterator[Member]:
    """None for a directory."""
    flags, at = _number(body, 0)
    size, at = _number(body, at)
    _attributes, at = _number(body, at)
    at += 4 * bool(flags & _TIME_5) + 4 * bool(flags & _SUM_5)
    compression, at = _number(body, at)
    _host, at = _number(body, at)
    name_bytes, at = _number(body, at)
    if flags & _DIRECTORY_5:
        return
    name = body[at : at + min(name_bytes, MAX_NAME_BYTES)].partition(b"\x00")[0].decode("utf-8", "replace")
    encrypted = _ENCRYPTION_5 in _extras(extra)
    stored = not compression >> 7 & 7 and not split
    read = None if encrypted else _content(data, start, packed, stored=stored)
    yield Member(distinct(name), size, encrypted, read)


def _extras(extra: bytes) -> set[int]:
    """The kinds of the records in an extra area."""
    found: set[int] = set()
    at = 0
    for _ in range(MAX_EXTRAS):
        if at >= len(extra):
            break
        size, start = _number(extra, at)
        kind, _ = _number(extra, start)
        found.add(kind)
        at = start + size
    return found


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, lowest first, and what is behind it. Raises Damaged."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise Damaged("rar header ends early")
        value |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return value, at
    raise Damaged("rar number without end")
