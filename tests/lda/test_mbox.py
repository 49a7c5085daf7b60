"""A message is at the end of an mbox file whole, or the file is as it was."""

from __future__ import annotations

import errno
import fcntl
import mailbox
import mmap
import os
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lda import mbox
from lda.copies import Wanted
from lda.folders import BadMailbox
from lda.mbox import Mbox, make_inbox
from tests.lda.home import HEAD, RAW, Home


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    (tmp_path / "var").mkdir()
    return tmp_path / "var" / "u"


def store(spool: Path) -> Mbox:
    return Mbox(spool, spool.parent.parent / "mail", "s@a")


def deliver(spool: Path, raw: bytes | mmap.mmap, directory: str = "", want: Wanted | None = None) -> bool:
    """Whether it was new."""
    with store(spool).stage(directory, b"X-Head: 1\n", raw, want) as copy:
        copy.commit()
    return not copy.known


def messages(path: Path) -> list[bytes]:
    """As the standard library reads them."""
    with closing(mailbox.mbox(path, create=False)) as box:
        return [bytes(message) for message in box]


def test_messages_are_appended_with_from_lines_and_an_empty_line(spool: Path) -> None:
    deliver(spool, b"Subject: 1\n\nbody\n")
    deliver(spool, b"Subject: 2\n\nno end")
    text = spool.read_bytes()
    assert text.startswith(b"From s@a  ")
    assert text.endswith(b"\nX-Head: 1\nSubject: 2\n\nno end\n\n")
    assert messages(spool) == [b"X-Head: 1\nSubject: 1\n\nbody\n", b"X-Head: 1\nSubject: 2\n\nno end\n"]
    assert stat.S_IMODE(spool.stat().st_mode) == 0o600


@pytest.mark.parametrize("in_file", [False, True])
def test_lines_that_look_like_another_message_are_quoted(spool: Path, in_file: bool) -> None:
    raw = b"Subject: x\n\nFrom here\n>From there\nnot From\n" + b"x" * (1 << 20) + b"\nFrom the end"
    if in_file:
        with tempfile.TemporaryFile() as file:
            file.write(raw)
            file.flush()
            deliver(spool, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    else:
        deliver(spool, raw)
    (message,) = messages(spool)
    assert message == b"X-Head: 1\n" + raw.replace(b"\nFrom ", b"\n>From ") + b"\n"


def test_flags_are_fields(spool: Path) -> None:
    deliver(spool, b"\nx\n", want=Wanted(flags="DFRST", keywords=("Work", "$x")))
    head = spool.read_bytes().split(b"\n\n")[0].split(b"\n", 1)[1]
    assert head == b"X-Head: 1\nX-Status: TFAD\nStatus: R\nX-Keywords: Work $x"


def test_folders_are_files(spool: Path) -> None:
    with pytest.raises(BadMailbox):
        deliver(spool, b"x\n", "Lists/a")
    assert not store(spool).has("Lists/a")
    deliver(spool, b"x\n", "Lists/a", Wanted(create=True))
    assert store(spool).has("Lists/a")
    deliver(spool, b"y\n", "Lists/a")
    assert len(messages(spool.parent.parent / "mail" / "Lists" / "a")) == 2
    with pytest.raises(BadMailbox):
        deliver(spool, b"x\n", "Lists", Wanted(create=True))


@pytest.mark.parametrize("name", ["u", "Lists"])
def test_no_link_is_followed(spool: Path, name: str) -> None:
    outside = spool.parent.parent / "outside"
    outside.mkdir()
    (outside / "x").write_text("secret\n")
    if name == "u":
        spool.symlink_to(outside / "x")
    else:
        (spool.parent.parent / "mail").mkdir()
        (spool.parent.parent / "mail" / name).symlink_to(outside)
    with pytest.raises((OSError, BadMailbox)):
        deliver(spool, b"x\n", "" if name == "u" else "Lists/x", Wanted(create=True))
    assert (outside / "x").read_text() == "secret\n"


class TestFailures:
    @pytest.mark.parametrize("step", ["write_all", "fsync"])
    def test_leave_the_file_as_it_was(self, spool: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
        deliver(spool, b"first\n")
        before = spool.read_bytes()
        written = []

        def fail(fd: int, piece: bytes = b"") -> None:
            written.append(os.write(fd, piece[:3]) if piece else 0)
            if len(written) > 2 or step == "fsync":
                raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(*((os, "fsync") if step == "fsync" else (mbox, "write_all")), fail)
            with pytest.raises(OSError):
                deliver(spool, b"second\n")
        assert spool.read_bytes() == before
        assert deliver(spool, b"second\n")
        assert len(messages(spool)) == 2

    def test_can_be_taken_back_unless_somebody_has_appended(self, spool: Path) -> None:
        deliver(spool, b"first\n")
        before = spool.read_bytes()
        with store(spool).stage("", b"", b"second\n") as copy:
            copy.commit()
            copy.undo()
        assert spool.read_bytes() == before
        with store(spool).stage("", b"", b"second\n") as copy:
            copy.commit()
            deliver(spool, b"third\n")
            copy.undo()
        assert len(messages(spool)) == 3


class TestRetry:
    WANT = Wanted(token="x", look=True)
    RAW = b"Received: by mx id Q1\nSubject: x\n\nFrom here\nline\n"

    @pytest.mark.parametrize("first", [b"", b"Subject: first\n\nbody\n"])
    def test_finishes_what_a_kill_has_left_at_any_place(self, spool: Path, first: bytes) -> None:
        if first:
            deliver(spool, first)
        before = spool.read_bytes() if first else b""
        deliver(spool, self.RAW)
        whole = spool.read_bytes()
        for end in range(len(before), len(whole)):
            spool.write_bytes(whole[:end])
            assert deliver(spool, self.RAW, want=self.WANT)
            assert len(messages(spool)) == 1 + bool(first), end
        spool.write_bytes(whole)
        assert not deliver(spool, self.RAW, want=self.WANT)
        assert spool.read_bytes() == whole

    def test_finds_its_copy_behind_others(self, spool: Path) -> None:
        deliver(spool, self.RAW)
        deliver(spool, b"other\n")
        assert not deliver(spool, self.RAW, want=self.WANT)
        assert len(messages(spool)) == 2

    @pytest.mark.parametrize(
        "end", [b"From x@y  Tue Nov 24 12:00:00 2026\nSubject: z\n", b"From x", b"no mbox at all"]
    )
    def test_cuts_off_nothing_that_is_not_its_own(self, spool: Path, end: bytes) -> None:
        spool.write_bytes(end)
        deliver(spool, self.RAW, want=self.WANT)
        assert spool.read_bytes().startswith(end)


class TestLocks:
    def test_of_others_are_waited_for(self, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mbox, "_WAIT_S", 0.1)
        spool.write_bytes(b"")
        dot = spool.with_name("u.lock")
        dot.write_bytes(b"")
        with pytest.raises(TimeoutError):
            deliver(spool, b"x\n")
        assert dot.exists()
        os.utime(dot, (1, 1))
        deliver(spool, b"x\n")
        assert not dot.exists()

    def test_of_other_processes_by_fcntl_are_waited_for(
        self, spool: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mbox, "_WAIT_S", 0.1)
        spool.write_bytes(b"")
        holder = subprocess.Popen(
            [sys.executable, "-u", "-c",
             "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); print(1); input()",
             str(spool)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        with holder:
            assert holder.stdout
            holder.stdout.readline()
            with pytest.raises(TimeoutError):
                deliver(spool, b"x\n")
            holder.communicate(b"\n")
        deliver(spool, b"x\n")

    def test_are_gone_afterwards(self, spool: Path) -> None:
        deliver(spool, b"x\n")
        with spool.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert [path.name for path in spool.parent.iterdir()] == ["u"]

    def test_hold_for_threads_too(self, spool: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: deliver(spool, b"Subject: %d\n\n" % n + b"x\n" * 1000), range(60)))
        assert sorted(int(mail.split(b"Subject: ")[1].split(b"\n")[0]) for mail in messages(spool)) == list(
            range(60)
        )


def test_a_whole_delivery_goes_there(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    home = Home(tmp_path / "home")
    home.script('require ["fileinto", "mailbox"]; fileinto :create "Lists/a"; keep;')
    places: dict[str, Any] = {"location": str(tmp_path / "u"), "mbox_folders": "{home}/mail"}
    home.deliver(RAW, queue_id="Q1", **places)
    assert home.deliver(RAW, queue_id="Q1", **places).actions == ["delivered before"]
    for path in (tmp_path / "u", home.path / "mail" / "Lists" / "a"):
        assert path.read_bytes().partition(b"\n")[2] == HEAD + RAW + b"\n\n"


@pytest.mark.parametrize(
    "why", ["no group may write", "everybody may write", "not root's", "below not root's", "a link"]
)
def test_root_makes_no_mbox_where_a_user_could_lead_it_astray(tmp_path: Path, why: str) -> None:
    spool = tmp_path / "above" / "spool"
    spool.mkdir(parents=True)
    spool.chmod({"no group may write": 0o755, "everybody may write": 0o777}.get(why, 0o2775))
    inbox = spool / "u"
    if os.getuid() == 0 and why.endswith("not root's"):
        os.chown(spool if why == "not root's" else spool.parent, 65534, -1)
    elif why == "a link":
        inbox.symlink_to(tmp_path / "elsewhere")
    make_inbox(inbox, os.getuid())
    assert [path.name for path in spool.iterdir()] == (["u"] if why == "a link" else [])
    assert not (tmp_path / "elsewhere").exists()
