"""Compressed messages are whole, and their names tell the sizes of what was compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from lda.compression import Compression
from lda.maildir import Maildir, Store

READERS: dict[Compression, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gz": gzip.decompress,
    "bz2": bz2.decompress,
    "xz": lzma.decompress,
}


@pytest.mark.parametrize("raw", [b"", b"x\n", b"Subject: x\n\n" + b"line\n" * 100_000])
@pytest.mark.parametrize("compression", READERS)
def test_what_is_read_is_what_was_written(tmp_path: Path, compression: Compression, raw: bytes) -> None:
    with Maildir(tmp_path, "mx", Store(compression=compression)).stage("", b"X-Head: 1\n", raw) as copy:
        copy.commit()
    stored = (tmp_path / "new" / copy.name).read_bytes()
    whole = b"X-Head: 1\n" + raw
    assert READERS[compression](stored) == whole
    lines = whole.count(b"\n")
    assert copy.name.endswith(f",S={len(whole)},W={len(whole) + lines}")
