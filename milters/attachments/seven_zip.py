"""seven_zip - the members of a 7z archive: LZMA, LZMA2, BZip2, Deflate and the filters before them. Pure.

A folder is one stream with files in a row, so that the last one costs all before it: a folder of several is unpacked
once and as a whole. What PPMd and BCJ2 have packed has names and no contents here.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from functools import partial
from typing import Any

from milters.attachments import squeezed
from milters.attachments.limits import Budget, Damaged, Unreadable
from milters.attachments.member import Member, distinct
from milters.attachments.seven_zip_header import Coder, Folder, Header, Streams, read

MAX_HEADER_BYTES = 32 << 20

_START_BYTES = 32
_COPY, _LZMA, _LZMA2, _DEFLATE, _BZIP2, _AES = 0x00, 0x030101, 0x21, 0x040108, 0x040202, 0x06F10701
_FILTERS = {
    0x03: lzma.FILTER_DELTA,
    0x04: lzma.FILTER_X86,
    0x05: lzma.FILTER_POWERPC,
    0x06: lzma.FILTER_IA64,
    0x07: lzma.FILTER_ARM,
    0x08: lzma.FILTER_ARMTHUMB,
    0x09: lzma.FILTER_SPARC,
    0x03030103: lzma.FILTER_X86,
    0x03030205: lzma.FILTER_POWERPC,
    0x03030401: lzma.FILTER_IA64,
    0x03030501: lzma.FILTER_ARM,
    0x03030701: lzma.FILTER_ARMTHUMB,
    0x03030805: lzma.FILTER_SPARC,
}


def members(data: bytes, budget: Budget) -> Iterator[Member]:
    """Those that are files; one without a name, encrypted, where the header is. Raises Damaged, Unreadable, Limit."""
    header = _header(data, budget)
    if header is None:
        yield Member((), encrypted=True)
        return
    files = iter(_contents(data, header.streams, budget))
    empties = iter(header.empty_files)
    for name, empty in zip(header.names, header.empty, strict=True):
        budget.tick()
        if not empty:
            size, encrypted, folder, start = next(files, (0, False, None, 0))
            reads = folder is not None and not encrypted
            yield Member(
                distinct(name),
                size,
                encrypted,
                partial(folder.read, start, size) if folder and reads else None,
            )
        elif next(empties, False):
            yield Member(distinct(name), 0, False, lambda _most: b"")


def _header(data: bytes, budget: Budget) -> Header | None:
    """None: it is encrypted."""
    offset, size = (int.from_bytes(data[at : at + 8], "little") for at in (12, 20))
    if size == 0 and len(data) >= _START_BYTES:
        return Header()
    raw = data[_START_BYTES + offset : _START_BYTES + offset + size]
    if len(raw) < size or len(data) < _START_BYTES:
        raise Damaged("7z archive ends early")
    for _ in range(4):  # a packed header may be packed again
        found = read(raw, budget.limits.files)
        if isinstance(found, Header):
            return found
        if not found.folders:
            return Header()
        folder = found.folders[0]
        if _is_encrypted(folder):
            return None
        raw = _Opened(data, folder, found.packs, budget).read(0, folder.size, MAX_HEADER_BYTES)
    raise Damaged("7z header packed too often")


def _contents(data: bytes, streams: Streams, budget: Budget) -> Iterator[tuple[int, bool, _Opened, int]]:
    """For each file with content its size, whether it is encrypted, where it is and from where on."""
    first = 0
    for folder in streams.folders:
        packs = streams.packs[first : first + len(folder.packed)]
        first += len(folder.packed)
        opened = _Opened(data, folder, packs, budget)
        start = 0
        for size in folder.files:
            yield size, _is_encrypted(folder), opened, start
            start += size


def _is_encrypted(folder: Folder) -> bool:
    return any(coder.method == _AES for coder in folder.coders)


class _Opened:
    """The stream of one folder, kept as far as it has been unpacked."""

    def __init__(self, data: bytes, folder: Folder, packs: list[tuple[int, int]], budget: Budget) -> None:
        self._data = data
        self._folder = folder
        self._packs = packs
        self._budget = budget
        self._unpacked = b""

    def read(self, start: int, size: int, most: int) -> bytes:
        """The first *most* bytes of the file that has *size* bytes from *start* on."""
        end = start + min(size, most)
        if len(self._unpacked) < end:
            self._unpacked = self._unpack(self._folder.size if len(self._folder.files) > 1 else end)
        return self._unpacked[start:end]

    def _unpack(self, most: int) -> bytes:
        """Through the coders, from the one that reads the archive to the one nobody reads."""
        if len(self._folder.packed) != 1 or any(c.inputs != 1 or c.outputs != 1 for c in self._folder.coders):
            raise Unreadable("7z coders in a net")
        if len(self._packs) < 1:
            raise Damaged("7z folder without a stream")
        start, size = self._packs[0]
        stream: squeezed.Bytes = memoryview(self._data)[start : start + size]
        chain = self._chain()
        while chain:
            coder = chain.pop()
            if coder.method in (_LZMA, _LZMA2):
                filters = []
                while chain and chain[-1].method in _FILTERS:
                    filters.append(_filter(chain.pop()))
                stream = self._lzma(coder, filters[::-1], stream, most)
            else:
                stream = self._plain(coder, stream, most)
        return bytes(stream[:most])

    def _chain(self) -> list[Coder]:
        """The coders, the last one to run first; that which reads the archive at the end of the list."""
        free = set(range(len(self._folder.coders))) - set(self._folder.bound.values())
        found: list[Coder] = []
        at: int | None = min(free) if free else None
        while at is not None and len(found) < len(self._folder.coders):
            found.append(self._folder.coders[at])
            at = self._folder.bound.get(at)
        if at is not None or len(found) != len(self._folder.coders):
            raise Damaged("7z coders in a ring")
        return found

    def _plain(self, coder: Coder, stream: squeezed.Bytes, most: int) -> squeezed.Bytes:
        if coder.method == _COPY:
            return stream
        if coder.method == _DEFLATE:
            return squeezed.unpack(squeezed.deflate, stream, most, self._budget)
        if coder.method == _BZIP2:
            return squeezed.unpack(squeezed.bzip2, stream, most, self._budget)
        raise Unreadable(f"7z method {coder.method:x}")

    def _lzma(self, coder: Coder, filters: list[Any], stream: squeezed.Bytes, most: int) -> bytes:
        name = lzma.FILTER_LZMA1 if coder.method == _LZMA else lzma.FILTER_LZMA2
        limit = self._budget.limits.unpacked
        chain = [*filters, squeezed.lzma_filter(name, coder.properties, limit)]
        return squeezed.unpack(partial(squeezed.lzma_raw, chain), stream, most, self._budget)


def _filter(coder: Coder) -> dict[str, int]:
    name = _FILTERS[coder.method]
    if name == lzma.FILTER_DELTA:
        return {"id": name, "dist": (coder.properties or b"\x00")[0] + 1}
    return {"id": name}
