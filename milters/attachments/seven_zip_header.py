"""seven_zip_header - the header of a 7z archive (7zFormat.txt of 7-Zip): folders, coders, files. Pure; bounded."""

from __future__ import annotations

from dataclasses import dataclass, field

from milters.attachments.limits import Damaged

MAX_CODERS = 8
MAX_STREAMS = 32

_END, _HEADER, _ARCHIVE_PROPERTIES, _ADDITIONAL, _MAIN, _FILES = range(6)
_PACK, _UNPACK, _SUBSTREAMS, _SIZE, _CRC, _FOLDER, _CODERS_SIZE, _NUM_SUBSTREAMS = range(6, 14)
_EMPTY_STREAM, _EMPTY_FILE, _NAMES = 0x0E, 0x0F, 0x11
_ENCODED_HEADER = 0x17


@dataclass(frozen=True, slots=True)
class Coder:
    """method: its id, big-endian. inputs, outputs: how many streams it reads and makes."""

    method: int
    properties: bytes
    inputs: int
    outputs: int


@dataclass(slots=True)
class Folder:
    """Coders, how they hang together, and what they make.

    bound: input of a coder to the output that it reads. packed: the inputs that read from the archive, in order. sizes:
    of each output; files: of each file in it. summed: it has a checksum as a whole."""

    coders: tuple[Coder, ...]
    bound: dict[int, int]
    packed: tuple[int, ...]
    sizes: tuple[int, ...] = ()
    files: list[int] = field(default_factory=list)
    summed: bool = False

    @property
    def size(self) -> int:
        """That of the output nobody reads but us."""
        free = set(range(len(self.sizes))) - set(self.bound.values())
        return self.sizes[min(free)] if free else 0


@dataclass(slots=True)
class Streams:
    """packs: where each packed stream starts and how long it is; folders in their order."""

    packs: list[tuple[int, int]] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)


@dataclass(slots=True)
class Header:
    """names: of all files, in order. empty: which of them have no content; empty_files: which of those are files and no
    directories."""

    streams: Streams = field(default_factory=Streams)
    names: list[str] = field(default_factory=list)
    empty: list[bool] = field(default_factory=list)
    empty_files: list[bool] = field(default_factory=list)


def read(data: bytes, most_files: int) -> Header | Streams:
    """The header *data*, or the streams that it is packed in. Raises Damaged."""
    reader = _Reader(data, most_files)
    kind = reader.byte()
    if kind == _ENCODED_HEADER:
        return reader.streams()
    if kind != _HEADER:
        raise Damaged("7z header of a strange kind")
    header = Header()
    while (kind := reader.byte()) != _END:
        if kind == _ARCHIVE_PROPERTIES:
            reader.skip_properties()
        elif kind == _ADDITIONAL:
            reader.streams()
        elif kind == _MAIN:
            header.streams = reader.streams()
        elif kind == _FILES:
            reader.files(header)
        else:
            raise Damaged("7z header of a strange kind")
    return header


class _Reader:
    def __init__(self, data: bytes, most_files: int) -> None:
        self._data = data
        self._at = 0
        self._most = most_files

    def take(self, size: int) -> bytes:
        """The next *size* bytes. Raises Damaged."""
        if size > len(self._data) - self._at:
            raise Damaged("7z header ends early")
        self._at += size
        return self._data[self._at - size : self._at]

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def number(self) -> int:
        """A number of up to 8 bytes, of which the first says how many there are."""
        first, value, mask = self.byte(), 0, 0x80
        for shift in range(0, 64, 8):
            if not first & mask:
                return value | (first & (mask - 1)) << shift
            value |= self.byte() << shift
            mask >>= 1
        return value

    def count(self) -> int:
        """A number of things, each of which takes room in the header or is a file."""
        value = self.number()
        if value > max(self._most, len(self._data)):
            raise Damaged("7z header counts too much")
        return value

    def bits(self, count: int) -> list[bool]:
        """*count* bits, the highest of a byte first."""
        octets = self.take((count + 7) // 8)
        return [bool(octets[n // 8] & 0x80 >> n % 8) for n in range(count)]

    def digests(self, count: int) -> list[bool]:
        """Skip the sums of *count* streams: which of them have one."""
        defined = [True] * count if self.byte() else self.bits(count)
        self.take(4 * sum(defined))
        return defined

    def skip_properties(self) -> None:
        """ArchiveProperties."""
        while self.byte() != _END:
            self.take(self.number())

    def streams(self) -> Streams:
        """StreamsInfo."""
        found = Streams()
        while (kind := self.byte()) != _END:
            if kind == _PACK:
                self._packs(found)
            elif kind == _UNPACK:
                self._folders(found)
            elif kind == _SUBSTREAMS:
                self._substreams(found)
            else:
                raise Damaged("7z streams of a strange kind")
        return found

    def _packs(self, found: Streams) -> None:
        start, count = 32 + self.number(), self.count()
        while (kind := self.byte()) != _END:
            if kind == _SIZE:
                for _ in range(count):
                    size = self.number()
                    found.packs.append((start, size))
                    start += size
            elif kind == _CRC:
                self.digests(count)
            else:
                raise Damaged("7z pack info of a strange kind")

    def _folders(self, found: Streams) -> None:
        while (kind := self.byte()) != _END:
            if kind == _FOLDER:
                count = self.count()
                if self.byte():
                    raise Damaged("7z folders elsewhere")
                found.folders = [self._folder() for _ in range(count)]
            elif kind == _CODERS_SIZE:
                for folder in found.folders:
                    outputs = sum(coder.outputs for coder in folder.coders)
                    folder.sizes = tuple(self.number() for _ in range(outputs))
                    folder.files = [folder.size]
            elif kind == _CRC:
                for folder, summed in zip(found.folders, self.digests(len(found.folders)), strict=True):
                    folder.summed = summed
            else:
                raise Damaged("7z coders of a strange kind")

    def _folder(self) -> Folder:
        coders = tuple(self._coder() for _ in range(self._few(MAX_CODERS)))
        inputs = sum(coder.inputs for coder in coders)
        outputs = sum(coder.outputs for coder in coders)
        bonds = outputs - 1
        if not 0 <= bonds <= inputs:
            raise Damaged("7z coders that do not hang together")
        bound = {}
        for _ in range(bonds):
            reads = self.number()
            bound[reads] = self.number()
        if inputs - bonds == 1:
            packed = tuple(n for n in range(inputs) if n not in bound)
        else:
            packed = tuple(self.number() for _ in range(inputs - bonds))
        return Folder(coders, bound, packed)

    def _few(self, most: int) -> int:
        value = self.number()
        if not 0 < value <= most:
            raise Damaged("7z header counts too much")
        return value

    def _coder(self) -> Coder:
        flags = self.byte()
        method = int.from_bytes(self.take(flags & 0x0F), "big")
        inputs, outputs = 1, 1
        if flags & 0x10:
            inputs, outputs = self._few(MAX_STREAMS), self._few(MAX_STREAMS)
        properties = self.take(self.number()) if flags & 0x20 else b""
        return Coder(method, properties, inputs, outputs)

    def _substreams(self, found: Streams) -> None:
        counts = [1] * len(found.folders)
        kind = self.byte()
        if kind == _NUM_SUBSTREAMS:
            counts = [self.count() for _ in found.folders]
            kind = self.byte()
        if sum(counts) > max(self._most, len(self._data)):
            raise Damaged("7z header counts too much")
        for folder, count in zip(found.folders, counts, strict=True):
            sizes = [self.number() for _ in range(count - 1)] if kind == _SIZE else []
            left = folder.size - sum(sizes)
            if left < 0:
                raise Damaged("7z folder smaller than its files")
            folder.files = [*sizes, left] if count else []
        if kind == _SIZE:
            kind = self.byte()
        if kind == _CRC:
            self.digests(
                sum(0 if n == 1 and f.summed else n for f, n in zip(found.folders, counts, strict=True))
            )
            kind = self.byte()
        if kind != _END:
            raise Damaged("7z substreams of a strange kind")

    def files(self, header: Header) -> None:
        """FilesInfo."""
        count = self.count()
        header.names, header.empty = [""] * count, [False] * count
        while (kind := self.number()) != _END:
            inner = _Reader(self.take(self.number()), self._most)
            if kind == _EMPTY_STREAM:
                header.empty = inner.bits(count)
            elif kind == _EMPTY_FILE:
                header.empty_files = inner.bits(sum(header.empty))
            elif kind == _NAMES:
                header.names = inner.names(count)

    def names(self, count: int) -> list[str]:
        """*count* names in UTF-16, each ended by NUL."""
        if self.byte():
            raise Damaged("7z names elsewhere")
        octets = self._data[self._at :]
        text = octets[: len(octets) // 2 * 2].decode("utf-16-le", "replace")
        found = text.split("\x00")[:count]
        return found + [""] * (count - len(found))
