"""zip_archive - the members of a zip archive (PKWARE APPNOTE 6.3.10), from every directory in it.

Programs differ: some read the directory at the end, some the first one, some go from member to member. So what stands
in any of them counts, and each member has the names of both its records.
"""

from __future__ import annotations

import lzma
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from milters.attachments import squeezed
from milters.attachments.limits import Budget, Damaged, Unreadable
from milters.attachments.member import Member, distinct

MAX_DIRECTORIES = 8
MAX_RUN = 100_000

_END = re.compile(rb"PK\x05\x06")
_LOCAL = re.compile(rb"PK\x03\x04")
_END_RECORD = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL_RECORD = struct.Struct("<4s5H3L2H")
_ENCRYPTED, _STREAMED, _UTF8 = 0x1, 0x8, 0x800
_UNICODE_PATH, _ZIP64, _AES = 0x7075, 0x0001, 0x9901


@dataclass(frozen=True, slots=True)
class _Entry:
    """start: of the content. packed, size: -1 where the record does not say."""

    names: tuple[str, ...]
    flags: int
    method: int
    start: int
    packed: int
    size: int


def members(data: bytes, budget: Budget) -> Iterator[Member]:
    """Those that are files. Raises Damaged where no directory can be read, after what was found without; and Limit."""
    seen: set[tuple[int, tuple[str, ...]]] = set()
    starts: set[int] = set()
    whole = False
    ends = [match.start() for match in _END.finditer(data)]
    for end in [*ends[-MAX_DIRECTORIES // 2 :][::-1], *ends[: MAX_DIRECTORIES // 2]]:
        try:
            for entry in _directory(data, end):
                budget.tick()
                if (entry.start, entry.names) not in seen:  # a content may have several names
                    seen.add((entry.start, entry.names))
                    starts.add(entry.start)
                    yield from _member(data, entry, budget)
            whole = True
        except (struct.error, Damaged):
            continue
    for entry in _run(data):
        budget.tick()
        if entry.start not in starts:
            yield from _member(data, entry, budget)
    if not whole:
        raise Damaged("no directory")


def _directory(data: bytes, end: int) -> Iterator[_Entry]:
    """The entries of the directory whose end record is at *end*."""
    count, size, offset = _END_RECORD.unpack_from(data, end)[4:7]
    at = end - size
    if 0xFFFFFFFF in (size, offset) or count == 0xFFFF:
        count, size, offset, at = _zip64_end(data, end) or (count, size, offset, at)
    before = at - offset  # what stands before the archive
    if at < 0 or before < 0:
        raise Damaged("a directory outside of the file")
    for _ in range(count):
        record = _ENTRY.unpack_from(data, at)
        if record[0] != b"PK\x01\x02":
            raise Damaged("an entry that is none")
        flags, method, packed, size = record[3], record[4], record[8], record[9]
        name_bytes, extra_bytes, comment_bytes, local = *record[10:13], record[16]
        at += _ENTRY.size
        name = data[at : at + name_bytes]
        extra = _extra(data[at + name_bytes : at + name_bytes + extra_bytes])
        at += name_bytes + extra_bytes + comment_bytes
        size, packed, local = _wide(extra.get(_ZIP64, b""), size, packed, local)
        start, own_names, own_flags = _local(data, before + local)
        names = distinct(*_names(name, flags, extra), *own_names)
        yield _Entry(names, flags | own_flags, _method(method, extra), start, packed, size)


def _zip64_end(data: bytes, end: int) -> tuple[int, int, int, int] | None:
    """Count, size, offset and true place of the directory; None where there is no such record."""
    if end < 20 or data[end - 20 : end - 16] != b"PK\x06\x07":
        return None
    at = data.rfind(b"PK\x06\x06", max(0, end - 20 - (1 << 16)), end - 20)
    if at < 0:
        return None
    count, size, offset = struct.unpack_from("<3Q", data, at + 32)
    return count, size, offset, at - size


def _wide(zip64: bytes, *values: int) -> tuple[int, int, int]:
    """size, packed, local: those that do not fit in 32 bits stand in an extra field."""
    found = []
    for value in values:
        if value == 0xFFFFFFFF and len(zip64) >= 8:
            value, zip64 = int.from_bytes(zip64[:8], "little"), zip64[8:]  # noqa: PLW2901
        found.append(value)
    size, packed, local = found
    return size, packed, local


def _local(data: bytes, at: int) -> tuple[int, tuple[str, ...], int]:
    """Where the content starts of the member whose own record is at *at*, and its names and flags there."""
    record = _LOCAL_RECORD.unpack_from(data, at) if 0 <= at < len(data) else (b"",)
    if record[0] != b"PK\x03\x04":
        return -1 - max(at, 0), (), 0
    name_at = at + _LOCAL_RECORD.size
    name_bytes, extra_bytes = record[9], record[10]
    extra = _extra(data[name_at + name_bytes : name_at + name_bytes + extra_bytes])
    names = _names(data[name_at : name_at + name_bytes], record[2], extra)
    return name_at + name_bytes + extra_bytes, names, record[2]


def _run(data: bytes) -> Iterator[_Entry]:
    """Members whose own record stands anywhere, but not in a content that was passed over."""
    position = 0
    for _ in range(MAX_RUN):
        match = _LOCAL.search(data, position)
        if match is None or match.start() + _LOCAL_RECORD.size > len(data):
            return
        record = _LOCAL_RECORD.unpack_from(data, match.start())
        flags, method, packed, size = record[2], record[3], record[7], record[8]
        start, names, _ = _local(data, match.start())
        extra = _extra(data[start - record[10] : start])
        size, packed, _ = _wide(extra.get(_ZIP64, b""), size, packed, 0)
        known = packed or not flags & _STREAMED
        if names and start <= len(data):
            yield _Entry(names, flags, _method(method, extra), start, packed if known else -1, size)
        position = min(start + packed, len(data)) if known else start


def _method(method: int, extra: dict[int, bytes]) -> int:
    """That of the content: for AES, 99 stands in its place."""
    aes = extra.get(_AES, b"")
    return int.from_bytes(aes[5:7], "little") if method == 99 and len(aes) >= 7 else method


def _extra(octets: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    position = 0
    while position + 4 <= len(octets):
        key, size = struct.unpack_from("<2H", octets, position)
        found.setdefault(key, octets[position + 4 : position + 4 + size])
        position += 4 + size
    return found


def _names(name: bytes, flags: int, extra: dict[int, bytes]) -> tuple[str, ...]:
    """In UTF-8 if it is that, whatever the flag says; else as DOS wrote it; and Info-ZIP's."""
    path = extra.get(_UNICODE_PATH, b"")[5:].decode("utf-8", "replace")
    try:
        own = name.decode("utf-8")
    except UnicodeDecodeError:
        own = name.decode("utf-8" if flags & _UTF8 else "cp437", "replace")
    return distinct(own, path)


def _member(data: bytes, entry: _Entry, budget: Budget) -> Iterator[Member]:
    """None for a directory."""
    if entry.names and all(name.endswith("/") for name in entry.names) and entry.size <= 0:
        return
    encrypted = bool(entry.flags & _ENCRYPTED)
    there = entry.start >= 0 and not encrypted
    read = partial(_read, data, entry, budget) if there else None
    yield Member(entry.names, max(entry.size, 0), encrypted, read)


def _read(data: bytes, entry: _Entry, budget: Budget, most: int) -> bytes:
    end = len(data) if entry.packed < 0 else entry.start + entry.packed
    packed = memoryview(data)[entry.start : end]
    match entry.method:
        case 0:
            return bytes(packed[:most])
        case 8:
            return squeezed.unpack(squeezed.deflate, packed, most, budget)
        case 12:
            return squeezed.unpack(squeezed.bzip2, packed, most, budget)
        case 14:
            return _read_lzma(packed, most, budget)
        case 95:
            return squeezed.unpack(partial(squeezed.xz, budget.limits.unpacked), packed, most, budget)
        case other:
            raise Unreadable(f"zip method {other}")


def _read_lzma(packed: memoryview, most: int, budget: Budget) -> bytes:
    """APPNOTE 5.8.8: two bytes of version, the size of the properties, the properties."""
    if len(packed) < 9:
        raise Damaged("ends early")
    properties = bytes(packed[4:9])
    filters = [squeezed.lzma_filter(lzma.FILTER_LZMA1, properties, budget.limits.unpacked)]
    return squeezed.unpack(partial(squeezed.lzma_raw, filters), packed[9:], most, budget)
