"""A Maildir is sifted while a reader renames and deletes what is in it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from lda.folders import BadMailbox
from lda.sift.fate import Fate, Target
from lda.sift.mailbox import Gone, Stored
from lda.sift.maildir import MaildirFolder

RAW = b"Subject: x\n\nHello.\n"
MOVED = Fate(stays=False, copies=(Target(mailbox="There", flags=("\\Seen",), create=True),))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("cur", "new", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "cur" / "1.M1P1.host,S=20,W=23:2,S").write_bytes(RAW)
    return tmp_path


def names(root: Path, folder: str = "") -> list[str]:
    return sorted(
        f"{path.parent.name}/{path.name}"
        for path in (root / folder).glob("*/*")
        if path.parent.name[0] != "."
    )


def first(folder: MaildirFolder) -> Stored:
    stored = next(iter(folder.messages()))
    assert isinstance(stored, Stored)
    return stored


def rename(root: Path) -> None:
    os.rename(root / "cur" / "1.M1P1.host,S=20,W=23:2,S", root / "cur" / "1.M1P1.host,S=20,W=23:2,RS")


def delete(root: Path) -> None:
    (root / "cur" / "1.M1P1.host,S=20,W=23:2,S").unlink()


def test_a_message_that_is_renamed_before_it_is_read_is_found(root: Path) -> None:
    with closing(MaildirFolder(root, "INBOX", "host")) as folder:
        rename(root)
        assert first(folder).flags == ("\\Answered", "\\Seen")


def test_a_message_that_is_deleted_before_it_is_read_is_gone(root: Path) -> None:
    with closing(MaildirFolder(root, "INBOX", "host")) as folder:
        delete(root)
        assert isinstance(next(iter(folder.messages())), Gone)


def test_a_message_that_is_renamed_before_it_moves_moves(root: Path) -> None:
    with closing(MaildirFolder(root, "INBOX", "host")) as folder:
        stored = first(folder)
        rename(root)
        folder.carry_out(stored, MOVED)
        assert folder.settle() == 0
    assert names(root) == []
    assert len(names(root, ".There")) == 1


def test_a_message_that_is_renamed_before_its_flags_change_gets_them(root: Path) -> None:
    with closing(MaildirFolder(root, "INBOX", "host")) as folder:
        stored = first(folder)
        rename(root)
        folder.carry_out(stored, Fate(flags=("\\Flagged",)))
    assert names(root) == ["cur/1.M1P1.host,S=20,W=23:2,F"]


@pytest.mark.parametrize("fate", [MOVED, Fate(flags=("\\Flagged",))])
def test_a_message_that_is_deleted_before_anything_happens_is_gone(root: Path, fate: Fate) -> None:
    with closing(MaildirFolder(root, "INBOX", "host")) as folder:
        stored = first(folder)
        delete(root)
        with pytest.raises(Gone):
            folder.carry_out(stored, fate)
        assert folder.settle() == 0


@pytest.mark.parametrize(("meddle", "gone"), [(rename, 0), (delete, 1)])
def test_the_old_name_goes_wherever_it_is_by_then(
    root: Path, meddle: Callable[[Path], None], gone: int
) -> None:
    with closing(MaildirFolder(root, "INBOX", "host")) as folder:
        folder.carry_out(first(folder), MOVED)
        assert len(names(root)) == 1, "not before it is durable elsewhere"
        meddle(root)
        assert folder.settle() == gone
    assert names(root) == []
    assert len(names(root, ".There")) == 1


def test_without_settle_nothing_leaves(root: Path) -> None:
    with closing(MaildirFolder(root, "INBOX", "host")) as folder:
        folder.carry_out(first(folder), MOVED)
    assert len(names(root)) == 1


def test_where_hard_links_do_not_work_the_bytes_are_copied(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = root / "cur" / "1.M1P1.host,S=20,W=23:2,S"
    os.utime(path, (1_600_000_000, 1_600_000_000))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "not on this file system")

    with closing(MaildirFolder(root, "INBOX", "host")) as folder:
        monkeypatch.setattr(os, "link", refuse)
        folder.carry_out(first(folder), MOVED)
        folder.settle()
    assert names(root) == []
    (copy,) = (root / ".There" / "cur").iterdir()
    assert (copy.read_bytes(), copy.stat().st_mtime) == (RAW, 1_600_000_000)


def test_what_lies_behind_a_link_is_not_touched(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A Maildir belongs to its user, and `apply` may be root's: a link could lead anywhere."""
    outside = tmp_path_factory.mktemp("outside")
    for name in ("cur", "new", "tmp"):
        (outside / name).mkdir()
    (root / ".There").symlink_to(outside)
    with closing(MaildirFolder(root, "INBOX", "host")) as folder:
        assert not folder.has("There")
        with pytest.raises((OSError, BadMailbox)):
            folder.carry_out(first(folder), MOVED)
        folder.settle()
    assert not list(outside.rglob("*P*"))
    assert len(names(root)) == 1
