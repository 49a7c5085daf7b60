"""message - one message as received: every byte kept, header split on demand, on disk past a size.

A `Spool` collects the bytes while they arrive; `finish` makes the `Message`. Nothing here re-serialises:
what is delivered is what came, and edits go around it.
"""

from __future__ import annotations

import mmap
import tempfile
from functools import cached_property
from typing import IO

from tamis.mail.headers import MAX_HEADER_BYTES, Headers, split
from tamis.mail.mime import structure
from tamis.mail.view import View

SPOOL_BYTES = 1 << 20
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
        return split(self._raw[:MAX_HEADER_BYTES])

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
        return View(self._raw, structure(self))

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


class Spool:
    """Collects a message piece by piece: in memory up to *limit_bytes*, in an unlinked file past it."""

    def __init__(self, limit_bytes: int = SPOOL_BYTES) -> None:
        self._limit = limit_bytes
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None
        self.size_bytes = 0

    def write(self, piece: bytes) -> None:
        """Add *piece*. Raises OSError where the disk says no: then the message must be deferred."""
        self.size_bytes += len(piece)
        if self._file is not None:
            self._file.write(piece)
            return
        self._pieces.append(piece)
        if self.size_bytes > self._limit:
            self._file = tempfile.TemporaryFile(prefix="tamis-")  # noqa: SIM115  # lives as long as the message
            self._file.writelines(self._pieces)
            self._pieces.clear()

    def finish(self) -> Message:
        """The message; the spool is spent."""
        if self._file is None:
            return Message(b"".join(self._pieces))
        self._file.flush()
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        self._file.close()
        return Message(mapped)

    def close(self) -> None:
        """Drop what was collected."""
        self._pieces.clear()
        if self._file is not None:
            self._file.close()
