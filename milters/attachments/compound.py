"""compound - the streams of a compound file: doc, xls, ppt, msg, msi, vbaProject.bin (MS-CFB). Pure; bounded."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from milters.attachments.limits import Budget, Damaged

MAX_ENTRIES = 20_000

_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENTRY_BYTES = 128
_LAST_SECTOR = 0xFFFFFFFA  # what is above it marks an end or nothing
_STORAGE, _STREAM, _ROOT = 1, 2, 5


@dataclass(frozen=True, slots=True)
class Entry:
    """A storage or a stream; the names of two may be the same, for their storages are left out."""

    name: str
    is_stream: bool
    start: int
    size: int


class Compound:
    """One file. Raises Damaged where its tables cannot be followed, here or when a stream is read; and Limit."""

    def __init__(self, data: bytes, budget: Budget) -> None:
        if len(data) < 512 or not data.startswith(_SIGNATURE):
            raise Damaged("no compound file")
        self._data = data
        self._budget = budget
        shift, small_shift = struct.unpack_from("<2H", data, 30)
        if shift not in (9, 12) or small_shift > shift:
            raise Damaged("compound file with strange sectors")
        self._sector, self._small_sector = 1 << shift, 1 << small_shift
        directory, _, self._small_limit, small_table, _, more, _ = struct.unpack_from("<7L", data, 48)
        self._table = self._read_table(more)
        self.entries = tuple(self._read_directory(self._chain(directory)))
        self._small_table = _numbers(self._chain(small_table))
        root = next((e for e in self.entries if not e.is_stream and e.name == "Root Entry"), None)
        self._small_data = self._chain(root.start)[: root.size] if root else b""

    def _read_table(self, more: int) -> tuple[int, ...]:
        """For each sector the one that follows it; *more*: where the list of the table's own sectors goes on."""
        places = list(struct.unpack_from("<109L", self._data, 76))
        seen: set[int] = set()
        while more < _LAST_SECTOR and more not in seen:
            seen.add(more)
            *numbers, more = _numbers(self._at(more)) or (_LAST_SECTOR,)
            places += numbers
        sectors = dict.fromkeys(place for place in places if place < _LAST_SECTOR)
        if len(sectors) > len(self._data) // self._sector:
            raise Damaged("compound file with more tables than sectors")
        return _numbers(b"".join(self._at(place) for place in sectors))

    def _at(self, sector: int) -> bytes:
        start = (sector + 1) * self._sector
        return self._data[start : start + self._sector]

    def _chain(self, sector: int) -> bytes:
        """The content of *sector* and of those that follow it."""
        found: list[bytes] = []
        most = len(self._data) // self._sector + 1
        while sector < _LAST_SECTOR:
            self._budget.tick()
            if sector >= len(self._table) or len(found) > most:
                raise Damaged("compound file with a chain to nowhere")
            found.append(self._at(sector))
            sector = self._table[sector]
        return b"".join(found)

    def _read_directory(self, directory: bytes) -> Iterator[Entry]:
        for at in range(0, min(len(directory), MAX_ENTRIES * _ENTRY_BYTES) - _ENTRY_BYTES + 1, _ENTRY_BYTES):
            length, kind = struct.unpack_from("<HB", directory, at + 64)
            start, size = struct.unpack_from("<LL", directory, at + 116)
            if kind in (_STORAGE, _STREAM, _ROOT):
                octets = directory[at : at + min(max(length - 2, 0), 64) // 2 * 2]
                name = "Root Entry" if kind == _ROOT else octets.decode("utf-16-le", "replace")
                yield Entry(name, kind == _STREAM, start, size)

    def read(self, entry: Entry) -> bytes:
        """The content of a stream. Charged as unpacked: chains may share sectors."""
        if entry.size >= self._small_limit:
            content = self._chain(entry.start)[: entry.size]
        else:
            content = self._small_chain(entry.start)[: entry.size]
        self._budget.spend(len(content), 0, 1)
        return content

    def _small_chain(self, sector: int) -> bytes:
        found: list[bytes] = []
        while sector < _LAST_SECTOR:
            if sector >= len(self._small_table) or len(found) > len(self._small_table):
                raise Damaged("compound file with a chain to nowhere")
            at = sector * self._small_sector
            found.append(self._small_data[at : at + self._small_sector])
            sector = self._small_table[sector]
        return b"".join(found)


def _numbers(octets: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(octets) // 4}L", octets[: len(octets) // 4 * 4])
