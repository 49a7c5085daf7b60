from __future__ import annotations

import errno
import mmap
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.mail.message import FREE_BYTES, GRANT_BYTES, Memory, Message, Spool

ROOT = Path(__file__).parent.parent.parent.parent
RAW = b"Subject: caf\xe9\r\nTo: a@b\n\nbody\r\n.\r\n\0last line"


def spooled(pieces: list[bytes], limit_bytes: int) -> Message:
    spool = Spool(limit_bytes)
    for piece in pieces:
        spool.write(piece)
    assert spool.size_bytes == sum(map(len, pieces))
    return spool.finish()


@given(st.lists(st.binary(max_size=50), max_size=20), st.sampled_from([0, 1, 10, 100, 10_000]))
def test_what_is_spooled_is_what_came_whatever_the_pieces(pieces: list[bytes], limit_bytes: int) -> None:
    whole = b"".join(pieces)
    message = spooled(pieces, limit_bytes)
    assert message.raw[:] == whole
    assert message.size_bytes == len(whole)
    assert whole.startswith(b"".join(field.raw for field in message.headers))
    assert whole[message.body_offset :] == message.body


@pytest.mark.parametrize("limit_bytes", [5, 1 << 20])
def test_memory_and_disk_are_read_alike(limit_bytes: int) -> None:
    message = spooled([RAW[:7], RAW[7:]], limit_bytes)
    assert isinstance(message.raw, mmap.mmap) == (limit_bytes < len(RAW))
    assert message.headers.first("subject") == b"caf\xe9"
    assert message.body == b"body\r\n.\r\n\0last line"
    assert isinstance(message.raw[:4], bytes)


def test_a_large_message_is_on_disk_and_leaves_nothing_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = len(os.listdir("/proc/self/fd"))
    message = spooled([b"Subject: x\n\n", *[b"y" * 65536] * 64], 1 << 20)
    assert os.listdir(tmp_path) == []
    assert message.size_bytes == 12 + 64 * 65536
    del message
    spool = Spool(10)
    spool.write(b"x" * 100)
    spool.close()
    assert len(os.listdir("/proc/self/fd")) == before


FULL = """
import resource, signal, sys
from tamis.mail.message import Spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
spool = Spool(1000)
try:
    for _ in range(100):
        spool.write(b"x" * 65536)
    spool.finish()
except OSError as exc:
    print(exc.errno)
"""


def test_a_full_disk_is_an_oserror_and_no_message() -> None:
    """It must be deferred, not delivered in part."""
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == f"{errno.EFBIG}\n"


def test_a_large_message_costs_little_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = spooled([b"Subject: x\n\n", *[b"y" * 65536] * 640], 1 << 20)
    assert message.headers.first("subject") == b"x"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_what_spools_hold_together_is_bounded_and_given_back() -> None:
    memory = Memory(GRANT_BYTES)
    first, second = Spool(memory=memory), Spool(memory=memory)
    for spool in (first, second):
        spool.write(b"x" * (FREE_BYTES + 1))
    assert isinstance(first.finish().raw, bytes)
    assert isinstance(second.finish().raw, mmap.mmap), "there was no memory left"
    third = Spool(memory=memory)
    third.write(b"x" * FREE_BYTES)
    assert isinstance(third.finish().raw, bytes), "a small one needs none"
    first.close()
    first.close()
    second.close()
    assert memory.take(GRANT_BYTES)
    assert not memory.take(1)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("rest", [b"", b"Not: a field"])
def test_a_header_section_on_disk_ends_where_it_does_in_memory(line_end: bytes, rest: bytes) -> None:
    raw = line_end.join([b"A: 1", b"B: 2", b" folded", b"", rest, b"", b"x" * 100])
    mapped = spooled([raw], 10)
    assert isinstance(mapped.raw, mmap.mmap)
    assert list(mapped.headers) == list(Message(raw).headers)
    assert mapped.body_offset == Message(raw).body_offset == raw.index(line_end * 2) + 2 * len(line_end)
