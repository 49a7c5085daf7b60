"""A delivery that is tried again does nothing twice, and a new message is never taken for an old one."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lda import attempts
from lda.attempts import Attempt, identify
from lda.envelope import Envelope
from tamis.errors import TempFail
from tamis.mail.message import Message
from tests.lda.home import HEAD, RAW, Home

SENT_BEFORE = ["delivered before"]
ENVELOPE = Envelope(user="u@b", recipient="u@b", sender="s@a", queue_id="4XYZ12345")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


def attempt(path: Path, *, envelope: Envelope = ENVELOPE, raw: bytes = RAW, since: float = 0.0) -> Attempt:
    return Attempt.open(path, identify(envelope, Message(raw)), since=since)


def cut_off(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """The next attempt dies when it wants to do *step*, as kill -9 would have it: nothing is undone."""

    def die(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(Attempt, step, die)
    monkeypatch.setattr("lda.maildir.MaildirCopy.undo", lambda _: None)


class TestARetry:
    def test_of_what_is_done_does_nothing_and_succeeds(self, home: Home) -> None:
        home.deliver(queue_id="Q1")
        assert home.deliver(queue_id="Q1").actions == SENT_BEFORE
        assert home.files() == {"new": [HEAD + RAW]}

    def test_is_one_also_when_its_user_has_read_moved_or_deleted_the_first(self, home: Home) -> None:
        home.deliver(queue_id="Q1")
        for path in (home.path / "Maildir" / "new").iterdir():
            path.unlink()
        home.deliver(queue_id="Q1")
        assert home.files() == {}

    @pytest.mark.parametrize("step", ["finish", "note"])
    def test_after_a_kill_finds_every_copy_and_sends_nothing_again(
        self, home: Home, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        """Two folders, flags, a redirect, a vacation and a mark: the first attempt dies with all of that done,
        or before the mark."""
        home.folder(".A")
        home.script("""
            require ["fileinto", "copy", "imap4flags", "vacation", "duplicate"];
            fileinto :copy "A"; redirect :copy "x@z"; keep :flags "\\\\Seen"; vacation "Away";
            if duplicate { fileinto "Twice"; }
        """)
        raw = b"To: u@b\nMessage-ID: <1@x>\n" + RAW
        with monkeypatch.context() as patched:
            cut_off(patched, step)
            with pytest.raises(SystemExit):
                home.deliver(raw, queue_id="Q1")
        before, sent = home.files(), home.sent.read_bytes()
        assert before == {".A/new": [HEAD + raw], "cur": [HEAD + raw]}
        home.deliver(raw, queue_id="Q1")
        assert home.files() == before
        assert home.sent.read_bytes() == sent
        assert home.deliver(raw, queue_id="Q1").actions == SENT_BEFORE

    def test_after_a_kill_finds_a_copy_that_was_read_meanwhile(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            cut_off(patched, "finish")
            with pytest.raises(SystemExit):
                home.deliver(queue_id="Q1")
        (path,) = (home.path / "Maildir" / "new").iterdir()
        path.rename(home.path / "Maildir" / "cur" / (path.name + ":2,RS"))
        home.deliver(queue_id="Q1")
        assert home.files() == {"cur": [HEAD + RAW]}

    def test_after_a_failure_delivers(self, home: Home) -> None:
        good = home.sendmail.read_text()
        home.script('require "copy"; redirect :copy "x@z";')
        home.sendmail.write_text("#!/bin/sh\nexit 75\n")
        with pytest.raises(TempFail):
            home.deliver(queue_id="Q1")
        home.sendmail.write_text(good)
        assert home.deliver(queue_id="Q1").actions == ["keep INBOX", "redirect x@z"]
        assert home.files() == {"new": [HEAD + RAW]}

    def test_of_a_refusal_is_refused_again(self, home: Home) -> None:
        home.script('require "reject"; reject "no";')
        first = home.deliver(queue_id="Q1")
        assert home.deliver(queue_id="Q1").verdict == first.verdict

    def test_while_the_first_is_under_way_is_deferred(self, tmp_path: Path) -> None:
        with attempt(tmp_path), pytest.raises(TempFail):
            attempt(tmp_path)
        with attempt(tmp_path) as later:
            assert not later.over

    def test_after_a_power_cut_finds_what_was_synced_though_the_notes_are_lost(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        raw = b"Received: from x by mx id 4XYZ12345; Tue, 24 Nov 2026 10:00:00 +0100\n\nx\n"
        home.deliver(raw, queue_id="Q1")
        (home.path / "Maildir" / attempts.NAME).unlink()
        arrived = 1795510800.0
        monkeypatch.setattr("lda.local.booted", lambda: arrived + 1)
        assert home.deliver(raw, queue_id="Q1").actions == ["keep INBOX"]
        assert home.files() == {"new": [HEAD + raw]}
        (home.path / "Maildir" / attempts.NAME).write_bytes(b"\0")
        monkeypatch.setattr("lda.local.booted", lambda: arrived - 1)
        home.deliver(raw, queue_id="Q1")
        assert home.files() == {"new": [HEAD + raw] * 2}  # nobody looks for what came after the start


class TestAnotherMessage:
    @pytest.mark.parametrize(
        "other",
        [
            replace(ENVELOPE, queue_id="4XYZ12346"),
            replace(ENVELOPE, recipient="v@b"),
            replace(ENVELOPE, recipient="u+x@b"),
            replace(ENVELOPE, sender="t@a"),
            replace(ENVELOPE, mailbox="Work"),
        ],
    )
    def test_by_its_envelope(self, tmp_path: Path, other: Envelope) -> None:
        with attempt(tmp_path) as first:
            first.finish()
        with attempt(tmp_path, envelope=other) as second:
            assert not second.over
        with attempt(tmp_path, envelope=replace(ENVELOPE, recipient="U@b")) as same:
            assert same.over

    @pytest.mark.parametrize("raw", [RAW + b"x", RAW.replace(b"now", b"later"), b""])
    def test_by_its_content_where_the_queue_id_came_again(self, tmp_path: Path, raw: bytes) -> None:
        with attempt(tmp_path) as first:
            first.finish()
        with attempt(tmp_path, raw=raw) as second:
            assert not second.over

    def test_without_a_queue_id_in_any_case(self, tmp_path: Path) -> None:
        for _ in range(2):
            with attempt(tmp_path, envelope=replace(ENVELOPE, queue_id="")) as nobody:
                assert (nobody.over, nobody.look, nobody.token("")) == (False, False, "")
                nobody.finish()


class TestTheFile:
    def test_is_small_private_and_remembers_thousands(self, tmp_path: Path) -> None:
        ids = [replace(ENVELOPE, queue_id=f"Q{number}") for number in range(3000)]
        for envelope in ids:
            with attempt(tmp_path, envelope=envelope) as done:
                done.finish()
        found = (tmp_path / attempts.NAME).stat()
        assert found.st_size <= 64 << 10
        assert found.st_mode & 0o777 == 0o600
        known = 0
        for envelope in ids:
            with attempt(tmp_path, envelope=envelope) as done:
                known += done.over
        assert known > 2800
        with attempt(tmp_path, envelope=ids[-1]) as last:
            assert last.over

    def test_drops_the_oldest_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(attempts, "_BUCKETS", 1)
        for number in range(20):
            monkeypatch.setattr(time, "time", lambda number=number: 1000.0 + number)
            with attempt(tmp_path, envelope=replace(ENVELOPE, queue_id=f"Q{number}")) as done:
                done.begin()
                done.finish()
        over = []
        for number in range(20):
            with attempt(tmp_path, envelope=replace(ENVELOPE, queue_id=f"Q{number}")) as done:
                over.append(done.over)
        assert over == [False] * 12 + [True] * 8

    @pytest.mark.parametrize("kind", ["directory", "link", "fifo", "garbage", "short"])
    def test_stops_no_delivery_when_it_is_unusable(self, home: Home, kind: str) -> None:
        path = home.path / "Maildir" / attempts.NAME
        path.parent.mkdir()
        match kind:
            case "directory":
                path.mkdir()
            case "link":
                path.symlink_to(home.path / "elsewhere")
            case "fifo":
                os.mkfifo(path)
            case "garbage":
                path.write_bytes(os.urandom(100_000))
            case "short":
                path.write_bytes(b"x" * 17)
        home.deliver(queue_id="Q1")
        assert home.files() == {"new": [HEAD + RAW]}
        assert not (home.path / "elsewhere").exists()


@pytest.mark.parametrize(
    "date", [b"", b"; ", b"; Tue, 99 Foo 99999999 10:00:00", b"; " + b"9" * 500, b";\xff"]
)
def test_a_date_that_is_none_is_no_date(date: bytes) -> None:
    identity = identify(ENVELOPE, Message(b"Received: from x by mx id 4XYZ12345" + date + b"\n\n"))
    assert identity is not None
    assert identity.arrived == 0
