"""A message is in a Maildir whole and durable, or not at all."""

from __future__ import annotations

import errno
import mmap
import os
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lda.copies import Wanted
from lda.folders import BadMailbox
from lda.maildir import Maildir, letters, tempfail
from tamis.errors import TempFail

NAME = re.compile(r"\d+\.M\d{6}P\d+Q\d+\.[^:,/]+,S=(\d+),W=(\d+)(?::2,([A-Z]*))?")


@pytest.fixture
def maildir(tmp_path: Path) -> Maildir:
    return Maildir(tmp_path / "home" / "Maildir", "mx.example")


def deliver(maildir: Maildir, raw: bytes, directory: str = "", **options: object) -> str:
    with maildir.stage(directory, b"", raw, Wanted(**options)) as copy:  # type: ignore[arg-type]
        copy.commit()
    return copy.name


def files(maildir: Maildir) -> list[str]:
    """Every file but maildirfolder, relative to the root."""
    found = (p for p in maildir.root.rglob("*") if p.is_file() and p.name != "maildirfolder")
    return sorted(str(p.relative_to(maildir.root)) for p in found)


def test_a_copy_is_invisible_until_it_is_committed_and_then_whole(maildir: Maildir) -> None:
    with maildir.stage("", b"Return-Path: <>\n", b"Subject: x\n\nbody\n") as copy:
        assert [f.partition("/")[0] for f in files(maildir)] == ["tmp"]
        copy.commit()
    assert files(maildir) == [f"new/{copy.name}"]
    assert (maildir.root / "new" / copy.name).read_bytes() == b"Return-Path: <>\nSubject: x\n\nbody\n"


def test_a_copy_that_is_not_committed_leaves_nothing(maildir: Maildir) -> None:
    with maildir.stage("", b"", b"x"):
        pass
    assert files(maildir) == []


def test_undo_takes_a_committed_copy_back(maildir: Maildir) -> None:
    with maildir.stage("", b"", b"x") as copy:
        copy.commit()
        copy.undo()
    assert files(maildir) == []


@pytest.mark.parametrize(
    ("raw", "virtual"), [(b"", 0), (b"a\nb\n", 6), (b"a\r\nb\r\n", 6), (b"\r\n\n\r", 5), (b"a", 1)]
)
def test_the_name_tells_both_sizes_exactly(maildir: Maildir, raw: bytes, virtual: int) -> None:
    match = NAME.fullmatch(deliver(maildir, raw))
    assert match
    assert (int(match[1]), int(match[2])) == (len(raw), virtual)


def test_sizes_hold_where_a_line_end_lies_across_two_pieces(maildir: Maildir) -> None:
    raw = b"x" * ((1 << 20) - 1) + b"\r\n" + b"y" * (1 << 20) + b"\n"
    with tempfile.TemporaryFile() as file:
        file.write(raw)
        file.flush()
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    with maildir.stage("", b"h\n", mapped) as copy:
        copy.commit()
    match = NAME.fullmatch(copy.name)
    assert match
    assert (int(match[1]), int(match[2])) == (len(raw) + 2, len(raw) + 4)
    assert (maildir.root / "new" / copy.name).read_bytes() == b"h\n" + raw


def test_flags_mean_cur_and_are_sorted(maildir: Maildir) -> None:
    flags = letters(("\\Seen", "\\flagged", "$Label", "\\Answered", "\\Deleted", "\\Draft", "\\Seen"))
    assert flags == "DFRST"
    name = deliver(maildir, b"x", flags=flags)
    assert name.endswith(":2,DFRST")
    assert files(maildir) == [f"cur/{name}"]


def test_a_missing_folder_is_made_only_if_allowed(maildir: Maildir) -> None:
    deliver(maildir, b"x")
    with pytest.raises(BadMailbox):
        deliver(maildir, b"x", ".Lists")
    assert not maildir.has(".Lists")
    name = deliver(maildir, b"x", ".Lists", create=True)
    assert maildir.has(".Lists")
    assert f".Lists/new/{name}" in files(maildir)
    assert (maildir.root / ".Lists" / "maildirfolder").exists()


def test_without_a_maildir_a_folder_is_missing_and_the_inbox_is_made(maildir: Maildir) -> None:
    assert not maildir.has(".Lists")
    with pytest.raises(BadMailbox):
        deliver(maildir, b"x", ".Lists")
    deliver(maildir, b"x")
    assert [oct((maildir.root / d).stat().st_mode & 0o777) for d in ("", "new", "cur", "tmp")] == [
        "0o700"
    ] * 4


def test_a_half_made_folder_is_completed(maildir: Maildir) -> None:
    (maildir.root / ".Half").mkdir(parents=True)
    deliver(maildir, b"x", ".Half")
    assert len(files(maildir)) == 1


def test_mail_is_for_its_owner_alone(maildir: Maildir) -> None:
    old = os.umask(0)
    try:
        name = deliver(maildir, b"x")
    finally:
        os.umask(old)
    assert (maildir.root / "new" / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", [".Link", ".Real/new", ".Real/tmp"])
def test_no_symbolic_link_leads_out_of_the_maildir(maildir: Maildir, tmp_path: Path, name: str) -> None:
    deliver(maildir, b"x", ".Real", create=True)
    before = files(maildir)
    outside = tmp_path / "outside"
    for sub in ("new", "cur", "tmp"):
        (outside / sub).mkdir(parents=True)
    link = maildir.root / name
    if link.exists():
        link.rename(link.with_name("moved"))
    link.symlink_to(outside)
    with pytest.raises((BadMailbox, OSError)):
        deliver(maildir, b"x", "." + name.split("/", maxsplit=1)[0].strip("."), create=True)
    assert not [p for p in outside.rglob("*") if p.is_file()]
    assert len(files(maildir)) == len(before)


def test_a_linked_root_is_the_admins_wish(tmp_path: Path) -> None:
    (tmp_path / "disk2").mkdir()
    (tmp_path / "Maildir").symlink_to(tmp_path / "disk2")
    deliver(Maildir(tmp_path / "Maildir", "mx"), b"x")
    assert len(list((tmp_path / "disk2" / "new").iterdir())) == 1


def test_deliveries_at_the_same_time_do_not_disturb_each_other(maildir: Maildir) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda n: deliver(maildir, b"%d" % n), range(200)))
    assert len(set(names)) == 200
    assert sorted(int((maildir.root / "new" / n).read_bytes()) for n in names) == list(range(200))


def test_a_hostile_hostname_stays_in_the_name(tmp_path: Path) -> None:
    name = deliver(Maildir(tmp_path, "a/b:c,d"), b"x")
    assert r".a\057b\072c\054d,S=1" in name


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.ENOSPC, "4.3.0"),
        (errno.EDQUOT, "4.2.2"),
        (errno.EIO, "4.3.0"),
        (errno.EROFS, "4.3.0"),
        (9999, "4.3.0"),
    ],
)
def test_every_errno_is_temporary_and_names_no_path(number: int, status: str) -> None:
    fail = tempfail(OSError(number, os.strerror(number), "/var/vmail/secret"))
    assert isinstance(fail, TempFail)
    assert fail.status == status
    assert "secret" not in fail.text
