"""squeezed - undoes the compression of gzip, bzip2, xz, lzma, deflate: piece by piece, as far as is wanted. Pure."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from milters.attachments.limits import Budget, Damaged, Limit

PIECE_BYTES = 64 << 10
MAX_STREAMS = 1000  # one behind the other in one file

Bytes = bytes | memoryview


class Decompressor(Protocol):
    """One stream, as bz2 and lzma have it: what it could not use yet, it keeps."""

    @property
    def eof(self) -> bool:
        """The stream has ended."""

    @property
    def needs_input(self) -> bool:
        """It has nothing more to say about what it was given."""

    @property
    def unused_data(self) -> bytes:
        """What it was given behind the end."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """The next bytes, *max_length* at most."""


class _Inflating:
    def __init__(self, window: int) -> None:
        self._object = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def needs_input(self) -> bool:
        return not self._object.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._object.decompress(self._object.unconsumed_tail + data, max_length)


def deflate() -> Decompressor:
    """RFC 1951, without any header."""
    return _Inflating(-15)


def zlibbed() -> Decompressor:
    """RFC 1950."""
    return _Inflating(15)


def gzip() -> Decompressor:
    """RFC 1952."""
    return _Inflating(31)


def bzip2() -> Decompressor:
    """As bzip2 writes it."""
    return bz2.BZ2Decompressor()


def xz(memory: int) -> Decompressor:
    """An .xz or .lzma file; its dictionary may have *memory* bytes."""
    return lzma.LZMADecompressor(lzma.FORMAT_AUTO, memlimit=memory)


def lzma_raw(filters: list[Mapping[str, Any]]) -> Decompressor:
    """LZMA and its filters without any header, as in 7z and zip."""
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)


def unpack(make: Callable[[], Decompressor], packed: Bytes, most: int, budget: Budget) -> bytes:
    """The first *most* bytes of what *packed* holds, all streams that stand in a row; of a file that is cut, what
    there is. Raises Damaged where there is nothing, and Limit."""
    found = bytearray()
    rest = memoryview(packed)
    for _ in range(MAX_STREAMS):
        try:
            rest = _stream(make(), rest, found, most, budget, len(packed))
        except (lzma.LZMAError, zlib.error, OSError, EOFError, ValueError) as exc:
            if isinstance(exc, lzma.LZMAError) and "emory" in str(exc):
                raise Limit("memory") from exc
            if not found:
                raise Damaged(str(exc) or type(exc).__name__) from exc
            break
        if not rest or len(found) >= most:
            break
    return bytes(found)


def _stream(
    stream: Decompressor, rest: memoryview, found: bytearray, most: int, budget: Budget, packed: int
) -> memoryview:
    """Add to *found* what *stream* makes of *rest*; what is behind its end."""
    while not stream.eof and len(found) < most:
        piece = b""
        if stream.needs_input:
            piece, rest = bytes(rest[:PIECE_BYTES]), rest[PIECE_BYTES:]
        out = stream.decompress(piece, min(PIECE_BYTES, most - len(found)))
        found += out
        budget.spend(len(out), len(found), packed)
        if not out and not piece and not rest:
            return rest  # it is cut
    behind = len(stream.unused_data)
    return memoryview(bytes(stream.unused_data) + rest) if behind else rest


def lzma_filter(name: int, properties: bytes, memory: int) -> Mapping[str, Any]:
    """A filter with the properties that 7z and zip write. Raises Damaged; Limit for a dictionary above *memory*."""
    if name == lzma.FILTER_LZMA1:
        if len(properties) != 5 or properties[0] >= 9 * 5 * 5:
            raise Damaged("LZMA properties")
        rest, lc = divmod(properties[0], 9)
        pb, lp = divmod(rest, 5)
        size = int.from_bytes(properties[1:], "little")
        if lc + lp > 4:
            raise Damaged("LZMA properties")
        found = {"id": name, "lc": lc, "lp": lp, "pb": pb}
    else:
        if len(properties) != 1 or properties[0] > 40:
            raise Damaged("LZMA2 properties")
        bits = properties[0]
        size = (1 << 32) - 1 if bits == 40 else (2 | bits & 1) << (bits // 2 + 11)
        found = {"id": name}
    return {**found, "dict_size": max(4096, min(size, memory))}
