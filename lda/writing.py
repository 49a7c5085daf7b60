"""writing - the bytes of one message into one file, synced; and the name that it gets then."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from mmap import mmap

from lda.compression import Compression, compressor
from lda.copies import Written

_PIECE_BYTES = 1 << 20
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def write(
    fd: int, head: bytes, raw: bytes | mmap, compression: Compression = "none", *, sync: bool = True
) -> Written:
    """Write *head* and *raw*, sync and close."""
    try:
        size = lines = 0
        last = b""
        packer = compressor(compression)
        for piece in _pieces(head, raw):
            write_all(fd, packer.compress(piece) if packer else piece)
            size += len(piece)
            lines += piece.count(b"\n") - piece.count(b"\r\n") - (last + piece[:1] == b"\r\n")
            last = piece[-1:]
        if packer:
            write_all(fd, packer.flush())
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)
    return Written(size, lines)


def write_all(fd: int, piece: bytes) -> None:
    """write(2) until everything is written."""
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(fd, rest) :]


def link(tmp_name: str, name: str, tmp: int, target: int) -> None:
    """Give the file its name without ever replacing another."""
    try:
        os.link(tmp_name, name, src_dir_fd=tmp, dst_dir_fd=target, follow_symlinks=False)
    except OSError as exc:
        # A file system without hard links (some FUSE and network ones). The name is ours alone by
        # construction.
        if exc.errno not in _NO_HARD_LINKS:
            raise
        os.rename(tmp_name, name, src_dir_fd=tmp, dst_dir_fd=target)


def _pieces(head: bytes, raw: bytes | mmap) -> Iterator[bytes]:
    if head:
        yield head
    if isinstance(raw, bytes):
        yield raw
        return
    for start in range(0, len(raw), _PIECE_BYTES):
        yield raw[start : start + _PIECE_BYTES]
