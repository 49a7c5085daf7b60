"""Dovecot's file of subscriptions: both formats, its lock, no duplicates."""

from __future__ import annotations

from pathlib import Path

import pytest

from lda import subscriptions
from lda.subscriptions import subscribe

FILES = [
    (None, b"V\t2\n\nA\tB\n"),
    (b"V\t2\n\nJunk\n", b"V\t2\n\nJunk\nA\tB\n"),
    (b"V\t2\n\nA\tB\nJunk\n", b"V\t2\n\nA\tB\nJunk\n"),
    (b"Junk\n", b"Junk\nA.B\n"),
    (b"Junk", b"Junk\nA.B\n"),
    (b"A.B\n", b"A.B\n"),
    (b"", b"A.B\n"),
]


@pytest.mark.parametrize(("before", "after"), FILES)
def test_a_folder_is_added_once_in_the_files_own_format(
    tmp_path: Path, before: bytes | None, after: bytes
) -> None:
    if before is not None:
        (tmp_path / "subscriptions").write_bytes(before)
    subscribe(tmp_path, ".A.B")
    assert (tmp_path / "subscriptions").read_bytes() == after
    assert not (tmp_path / "subscriptions.lock").exists()


def test_folders_of_the_fs_layout_too(tmp_path: Path) -> None:
    subscribe(tmp_path, "Entwürfe/x.y")
    assert (tmp_path / "subscriptions").read_bytes() == "V\t2\n\nEntwürfe\tx.y\n".encode()
    (tmp_path / "subscriptions").write_bytes(b"A\n")
    subscribe(tmp_path, "B/c")
    assert (tmp_path / "subscriptions").read_bytes() == b"A\nB/c\n"


def test_a_lock_that_is_held_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "_WAIT_S", 0.0)
    (tmp_path / "subscriptions.lock").write_bytes(b"")
    with pytest.raises(BlockingIOError):
        subscribe(tmp_path, ".A")
    assert (tmp_path / "subscriptions.lock").exists()
    assert not (tmp_path / "subscriptions").exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"secret\n")
    (tmp_path / "subscriptions").symlink_to(tmp_path / "other")
    with pytest.raises(OSError):
        subscribe(tmp_path, ".A")
    assert (tmp_path / "other").read_bytes() == b"secret\n"
    assert not (tmp_path / "subscriptions.lock").exists()
