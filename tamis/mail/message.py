"""message - one message as received: every byte kept, header split on demand, on disk past a size.

A `Spool` collects the bytes while they arrive; `finish` makes the `Message`. Nothing here re-serialises:
what is delivered is what came, and edits go around it.
"""

from __future__ import annotations

import mmap
import tempfile
import threading
from functools import cached_property
from io import FileIO

from tamis.mail.headers import MAX_HEADER_BYTES, Headers, split
from tamis.mail.mime import structure
from tamis.mail.view import View

SPOOL_BYTES = 1 << 20
FREE_BYTES = 16 << 10  # of each spool that a `Memory` does not count
GRANT_BYTES = 128 << 10
_COUNT_PIECE = 1 << 20


class Message:
    """A whole message. *raw* is bytes, or a read-only map of an unlinked file for a large one."""

    def __init__(self, raw: bytes | mmap.mmap) -> None:
        self._raw = raw

    @property
    def raw(self) -> bytes | mmap.mmap:
        """Every byte as received; slices of it are bytes."""
        return self._raw

    @property
    def size_bytes(self) -> int:
        """Bytes as stored, line ends as received."""
        return len(self._raw)

    @property
    def crlf_size_bytes(self) -> int:
        """As in RFC 5322: every line end counts as CRLF, however it is stored."""
        return self.size_bytes + _bare_line_feeds(self.raw)

    @cached_property
    def _split(self) -> tuple[Headers, int]:
        if isinstance(self._raw, bytes):
            return split(self._raw)
        end = min(len(self._raw), MAX_HEADER_BYTES)
        for empty_line in (b"\n\r\n", b"\n\n"):
            found = self._raw.find(empty_line, 0, end)
            end = found + len(empty_line) if found >= 0 else end
        head: bytes = self._raw[:end]  # no more: slices of a map are copies
        self._raw.madvise(mmap.MADV_DONTNEED)  # the kernel has mapped 64 KiB around it
        return split(head)

    @property
    def headers(self) -> Headers:
        """The header section."""
        return self._split[0]

    @property
    def body_offset(self) -> int:
        """Where the body starts in `raw`."""
        return self._split[1]

    @cached_property
    def view(self) -> View:
        """Its parts and texts, taken apart once for all who look at them."""
        return View(self.raw, structure(self))

    @cached_property
    def body(self) -> bytes:
        """The body as one bytes object; prefer `raw[body_offset:]` piecewise for large messages."""
        return bytes(self._raw[self.body_offset :])


def _bare_line_feeds(raw: bytes | mmap.mmap) -> int:
    count, before = 0, b""
    for start in range(0, len(raw), _COUNT_PIECE):
        piece: bytes = raw[start : start + _COUNT_PIECE]
        count += piece.count(b"\n") - piece.count(b"\r\n") - (before == b"\r" and piece[:1] == b"\n")
        before = piece[-1:]
    return count


class Memory:
    """What all spools of a process together may keep in memory."""

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes
        self._lock = threading.Lock()

    def take(self, size_bytes: int) -> bool:
        """Whether there is so much left; it is given back by `give`."""
        with self._lock:
            if self._left < size_bytes:
                return False
            self._left -= size_bytes
            return True

    def give(self, size_bytes: int) -> None:
        """It is free again."""
        with self._lock:
            self._left += size_bytes


class Spool:
    """Collects a message piece by piece: in memory up to *limit_bytes* and while *memory* has some, else in an
    unlinked file. What it has of *memory* it keeps until `close`."""

    def __init__(self, limit_bytes: int = SPOOL_BYTES, memory: Memory | None = None) -> None:
        self._limit = limit_bytes
        self._memory = memory
        self._free = limit_bytes if memory is None else min(limit_bytes, FREE_BYTES)
        self._may_hold = self._free
        self._pieces: list[bytes] = []
        self._file: FileIO | None = None
        self.size_bytes = 0

    def write(self, piece: bytes) -> None:
        """Add *piece*. Raises OSError where the disk says no: then the message must be deferred."""
        self.size_bytes += len(piece)
        if self._file is not None:
            _write(self._file, piece)
            return
        self._pieces.append(piece)
        if self.size_bytes > self._may_hold and not self._grow():
            # lives as long as the message; of thousands of them each would have a buffer
            self._file = tempfile.TemporaryFile(prefix="tamis-", buffering=0)  # noqa: SIM115
            _write(self._file, b"".join(self._pieces))
            self._pieces.clear()

    def _grow(self) -> bool:
        wanted = max(GRANT_BYTES, self.size_bytes - self._may_hold)
        if self._memory is None or self.size_bytes > self._limit or not self._memory.take(wanted):
            return False
        self._may_hold += wanted
        return True

    def finish(self) -> Message:
        """The message; the spool is spent."""
        if self._file is None:
            whole = b"".join(self._pieces)
            self._pieces.clear()
            return Message(whole)
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        self._file.close()
        return Message(mapped)

    def close(self) -> None:
        """Drop what was collected; it may collect anew."""
        self._pieces.clear()
        self.size_bytes = 0
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._memory is not None and self._may_hold > self._free:
            self._memory.give(self._may_hold - self._free)
            self._may_hold = self._free


def _write(file: FileIO, piece: bytes) -> None:
    """All of *piece*."""
    left = memoryview(piece)
    while left:
        left = left[file.write(left) :]
