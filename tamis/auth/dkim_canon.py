"""dkim_canon - the canonical forms of header fields and body (RFC 6376 section 3.4). Pure; linear; piece by piece.

Lines that end in LF alone, as in a message file, count as ended by CRLF. A body passes through once for each
canonicalisation, however many signatures want it and however many of its bytes (``l=``) they cover.
"""

from __future__ import annotations

import hashlib
import mmap
import re
from collections.abc import Iterable
from typing import Final

PIECE_BYTES = 64 << 10
SIMPLE: Final = "simple"
RELAXED: Final = "relaxed"

_BARE_LF = re.compile(rb"(?<!\r)\n")
_BLANKS = re.compile(rb"[ \t]{2,}|\t")
_LINE_END = re.compile(rb"\r?\n")


def field(raw: bytes, canon: str) -> bytes:
    """A header field with its line end, in canonical form; *raw* may lack the last line end."""
    if canon == SIMPLE:
        return _BARE_LF.sub(b"\r\n", raw.rstrip(b"\r\n") + b"\n")
    name, _, value = raw.partition(b":")
    value = value.removesuffix(b"\r\n")
    if b"\n" in value:
        value = _LINE_END.sub(b"", value)
    return name.strip(b" \t").lower() + b":" + _squeezed(value).strip(b" ") + b"\r\n"


def _squeezed(data: bytes) -> bytes:
    return _BLANKS.sub(b" ", data) if b"  " in data or b"\t" in data else data


class _Covered:
    """A digest of the first *limit* bytes of what it is fed; None: of all."""

    def __init__(self, limit: int | None) -> None:
        self._left = limit
        self._sha256 = hashlib.sha256()

    def update(self, data: bytes) -> None:
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        self._sha256.update(data)

    def digest(self) -> bytes:
        return self._sha256.digest()


class BodyHash:
    """One pass over a body: `feed` it in any pieces, `finish`, then ask for digests.

    limits: the lengths wanted (``l=``), None for the whole body. length: canonical bytes in all."""

    def __init__(self, canon: str, limits: Iterable[int | None] = (None,)) -> None:
        self._relaxed = canon == RELAXED
        self._sinks = {limit: _Covered(limit) for limit in limits}
        self._held = b""  # at most a blank and a CR, whose meaning the next piece decides
        self._empty_lines = 0  # line ends that count only if something follows
        self._begun = False
        self.length = 0

    def feed(self, piece: bytes) -> None:
        """The next bytes of the body."""
        data = self._held + piece
        kept = data[:-1] if data.endswith(b"\r") else data
        if self._relaxed:
            bare = kept.rstrip(b" \t")
            self._held = (b" " if len(bare) < len(kept) else b"") + data[len(kept) :]
            kept = bare
        else:
            self._held = data[len(kept) :]
        self._take(kept)

    def _take(self, data: bytes) -> None:
        if data.count(b"\n") != data.count(b"\r\n"):
            data = _BARE_LF.sub(b"\r\n", data)
        if self._relaxed:
            data = _squeezed(data).replace(b" \r\n", b"\r\n")
        # Where the run of line ends at the end begins: after the last byte that is neither, or the last bare CR.
        # The first line end of the run ends a line; that it is held back with the others does no harm.
        tail = data[len(data.rstrip(b"\r\n")) :]
        bare = len(tail) if tail.endswith(b"\r") else tail.rfind(b"\r\r") + 1
        end = len(data) - len(tail) + bare
        if end:
            self._emit_empty_lines(self._empty_lines)
            self._emit(data[:end])
            self._empty_lines = 0
            self._begun = True
        self._empty_lines += (len(data) - end) // 2

    def _emit_empty_lines(self, count: int) -> None:
        for start in range(0, count, PIECE_BYTES):
            self._emit(b"\r\n" * min(PIECE_BYTES, count - start))

    def _emit(self, data: bytes) -> None:
        self.length += len(data)
        for sink in self._sinks.values():
            sink.update(data)

    def finish(self) -> None:
        """The body has ended."""
        rest = self._held.removesuffix(b" ") if self._relaxed else self._held
        if rest:
            self._emit_empty_lines(self._empty_lines)
            self._emit(rest)
            self._begun = True
        if self._begun or not self._relaxed:
            self._emit(
                b"\r\n"
            )  # RFC 6376 section 3.4.3: an empty body is one line end; relaxed leaves it empty

    def digest(self, limit: int | None = None) -> bytes:
        """SHA-256 of the first *limit* canonical bytes."""
        return self._sinks[limit].digest()


def feed_all(hashes: Iterable[BodyHash], raw: bytes | mmap.mmap, offset: int) -> None:
    """Pass the body, *raw* from *offset*, through all of *hashes* and finish them."""
    passes = tuple(hashes)
    for start in range(offset, len(raw), PIECE_BYTES):
        piece: bytes = raw[start : start + PIECE_BYTES]
        for body_hash in passes:
            body_hash.feed(piece)
        if isinstance(raw, mmap.mmap):  # so that large messages do not stay in memory for having been read
            raw.madvise(mmap.MADV_DONTNEED, 0, start + len(piece))
    for body_hash in passes:
        body_hash.finish()
