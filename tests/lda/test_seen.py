"""What is remembered is remembered until its time has come, whoever asks, whatever happens to the file."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lda import seen
from lda.seen import MAX_BYTES, Memory

A, B = "a" * 64, "b" * 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / ".tamis.seen"


def test_a_key_is_known_until_it_expires(path: Path) -> None:
    assert not Memory(path, 100.0).has(A)
    Memory(path, 100.0).remember(A, 10)
    assert [Memory(path, now).has(A) for now in (100.0, 109.9, 110.0)] == [True, True, False]
    assert not Memory(path, 100.0).has(B)


def test_a_later_line_counts(path: Path) -> None:
    Memory(path, 100.0).remember(A, 1000)
    Memory(path, 200.0).remember(A, 10)
    assert not Memory(path, 210.0).has(A)


def test_nothing_is_written_for_no_time(path: Path) -> None:
    Memory(path, 100.0).remember(A, 0)
    assert not path.exists()
    calls: list[int] = []
    memory = Memory(path, 100.0)
    assert memory.once(A, 0, lambda: calls.append(1)) is memory.once(A, 0, lambda: calls.append(1)) is True
    assert len(calls) == 2


def test_once_is_once_and_again_after_it_has_expired(path: Path) -> None:
    calls: list[float] = []
    for now in (100.0, 105.0, 110.0):
        Memory(path, now).once(A, 10, lambda now=now: calls.append(now))  # type: ignore[misc]
    assert calls == [100.0, 110.0]


def test_what_fails_has_not_been_done(path: Path) -> None:
    def fail() -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        Memory(path, 100.0).once(A, 10, fail)
    assert not Memory(path, 100.0).has(A)


def test_of_many_at_once_one_does_it(path: Path) -> None:
    calls: list[int] = []
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: Memory(path, 100.0).once(A, 10, lambda: calls.append(1)), range(40)))
    assert len(calls) == 1


def test_many_at_once_lose_nothing_while_the_file_is_written_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "MAX_BYTES", 20 * 78)
    keys = [f"{number:064x}" for number in range(100)]
    Memory(path, 0.0).remember(A, 1)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda key: Memory(path, 100.0).remember(key, 10), keys[:15]))
    assert all(Memory(path, 100.0).has(key) for key in keys[:15])


def test_the_file_does_not_grow_without_end_and_keeps_the_latest(path: Path) -> None:
    Memory(path, 0.0).remember(A, 10)
    old = b"".join(b"10 %064x\n" % number for number in range(MAX_BYTES // 68))
    path.write_bytes(old)
    Memory(path, 100.0).remember(A, 10)
    assert path.stat().st_size < 100
    assert Memory(path, 100.0).has(A)


def test_a_torn_line_and_other_text_count_nothing(path: Path) -> None:
    Memory(path, 100.0).remember(A, 10)
    with path.open("ab") as file:
        file.write(b"999 " + b"b" * 63 + b"\nx y\n\0\n999 bb")
    Memory(path, 100.0).remember(B, 10)
    assert Memory(path, 100.0).has(A)
    assert Memory(path, 100.0).has(B)


def test_it_is_the_users_alone(path: Path) -> None:
    Memory(path, 100.0).remember(A, 10)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["directory", "fifo", "link"])
def test_what_is_no_file_is_not_used(path: Path, kind: str) -> None:
    path.parent.mkdir()
    match kind:
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "link":
            path.symlink_to("/etc/passwd")
    with pytest.raises(OSError):  # which one depends on the kind
        Memory(path, 100.0).has(A)
    with pytest.raises(OSError):
        Memory(path, 100.0).once(A, 10, lambda: None)
