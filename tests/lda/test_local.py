"""One delivery with the user's rights: script, folders, redirects, and what the user can read about it."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from lda.scripts import MAX_LOG_BYTES
from tamis.errors import TempFail
from tamis.verdict import Kind
from tests.lda.home import HEAD, RAW, Home

FILE = 'require "fileinto"; if header :contains "subject" "[list]" { fileinto "Lists"; }'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


def test_without_a_script_the_message_is_in_the_inbox_byte_for_byte(home: Home) -> None:
    done = home.deliver()
    assert home.files() == {"new": [HEAD + RAW]}
    assert (done.verdict.kind, done.actions, done.sieve) == (Kind.PASS, ["keep INBOX"], "")


@pytest.mark.parametrize(
    "raw", [b"", b"\n", b"no header at all", b"a\r\nb\r\n", b"\0" * 1000, b"x" * 100_000]
)
def test_every_message_is_stored_as_it_came(home: Home, raw: bytes) -> None:
    home.deliver(raw)
    assert home.files() == {"new": [HEAD + raw]}


def test_a_script_files_into_a_folder(home: Home) -> None:
    home.script(FILE)
    home.folder(".Lists")
    done = home.deliver()
    assert home.files() == {".Lists/new": [HEAD + RAW]}
    assert (done.actions, done.sieve) == (["fileinto Lists"], "ok")


def test_a_missing_folder_means_inbox_and_a_note(home: Home) -> None:
    home.script(FILE)
    done = home.deliver()
    assert (done.actions, done.sieve) == (["keep INBOX"], "run_error")
    assert home.files() == {"new": [HEAD + RAW]}
    assert "failed to store into mailbox 'Lists': the mailbox does not exist" in home.log()


def test_with_autocreate_it_is_made_and_subscribed_to(home: Home) -> None:
    home.script(FILE)
    home.deliver(autocreate=True, autosubscribe=True)
    home.deliver(autocreate=True, autosubscribe=True)
    assert home.files() == {".Lists/new": [HEAD + RAW] * 2}
    assert (home.path / "Maildir" / "subscriptions").read_bytes() == b"V\t2\n\nLists\n"


def test_the_caller_may_allow_it_too(home: Home) -> None:
    home.deliver(mailbox="Entwürfe/x", create=True)
    assert list(home.files()) == [".Entw&APw-rfe.x/new"]


def test_the_caller_may_forbid_it(home: Home) -> None:
    """dovecot-lda's -o comes before what is configured."""
    home.deliver(mailbox="A", autocreate=True, create=False)
    assert list(home.files()) == ["new"]
    home.deliver(mailbox="A", autocreate=True, autosubscribe=True, subscribe=False)
    assert list(home.files()) == [".A/new", "new"]
    assert not (home.path / "Maildir" / "subscriptions").exists()


@pytest.mark.parametrize("mailbox", ["", "INBOX", "Missing", "../x", "a\nb", "/etc", "~x"])
def test_the_default_mailbox_falls_back_to_the_inbox_whatever_its_name(home: Home, mailbox: str) -> None:
    home.deliver(mailbox=mailbox)
    assert list(home.files()) == ["new"]


BROKEN = ['fileinto "x";', "if {", 'require "nosuch";', "\xff", "keep" * 3000]


@pytest.mark.parametrize("source", BROKEN)
def test_a_script_with_errors_keeps_the_message_and_tells_its_user(home: Home, source: str) -> None:
    (home.path / ".dovecot.sieve").write_bytes(source.encode("latin-1"))
    done = home.deliver()
    assert home.files() == {"new": [HEAD + RAW]}
    assert (done.actions, done.sieve) == (["keep INBOX"], "script_error")
    assert "the message is kept" in done.notes[0]
    assert "the message is kept" in home.log()


def test_the_users_log_is_private_and_does_not_grow_without_end(home: Home) -> None:
    home.script("if {")
    log = home.path / ".dovecot.sieve.log"
    log.write_bytes(b"x" * (MAX_LOG_BYTES + 1))
    log.chmod(0o600)
    home.deliver()
    assert log.stat().st_size < MAX_LOG_BYTES
    log.unlink()
    home.deliver()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_log_that_cannot_be_written_does_not_matter(home: Home) -> None:
    home.script("if {")
    (home.path / ".dovecot.sieve.log").symlink_to("/dev/full")
    assert home.deliver().actions == ["keep INBOX"]


class TestWhereScriptsLie:
    def test_the_active_script_is_usually_a_link(self, home: Home) -> None:
        (home.path / "sieve").mkdir()
        (home.path / "sieve" / "main.sieve").write_text("discard;")
        (home.path / ".dovecot.sieve").symlink_to("sieve/main.sieve")
        assert home.deliver().actions == ["discard"]

    @pytest.mark.parametrize("target", ["/etc/passwd", "../outside"])
    def test_a_link_that_leads_out_of_the_home_is_not_followed(self, home: Home, target: str) -> None:
        (home.path.parent / "outside").write_text("discard;")
        (home.path / ".dovecot.sieve").symlink_to(target)
        assert home.deliver().actions == ["keep INBOX"]
        assert "out of the home" in home.log()
        assert "root:" not in home.log()

    @pytest.mark.parametrize("kind", ["directory", "fifo", "loop", "large"])
    def test_what_is_no_small_file_is_not_read(self, home: Home, kind: str) -> None:
        path = home.path / ".dovecot.sieve"
        match kind:
            case "directory":
                path.mkdir()
            case "fifo":
                os.mkfifo(path)
            case "loop":
                path.symlink_to(path)
            case "large":
                path.write_text("#" + "x" * 10_000)
        assert home.deliver().actions == ["keep INBOX"]

    @pytest.mark.skipif(os.getuid() != 0, reason="needs another owner")
    def test_a_script_of_somebody_else_is_not_run(self, home: Home) -> None:
        home.script("discard;")
        os.chown(home.path / ".dovecot.sieve", 12345, 12345)
        assert home.deliver().actions == ["keep INBOX"]

    def test_a_dangling_link_is_no_script(self, home: Home) -> None:
        (home.path / ".dovecot.sieve").symlink_to("gone")
        assert home.deliver().actions == ["keep INBOX"]

    def test_users_without_one_have_the_sites(self, home: Home, tmp_path: Path) -> None:
        (tmp_path / "default.sieve").write_text("discard;")
        assert home.deliver(default=tmp_path / "default.sieve").actions == ["discard"]
        home.script("keep;")
        assert home.deliver(default=tmp_path / "default.sieve").actions == ["keep INBOX"]

    def test_an_edited_script_takes_effect_at_once(self, home: Home) -> None:
        home.script("discard;")
        assert home.deliver().actions == ["discard"]
        home.script("keep;")
        assert home.deliver().actions == ["keep INBOX"]


class TestRedirect:
    def test_it_goes_to_the_mta_with_a_mark_that_we_know_again(self, home: Home) -> None:
        home.script('redirect "x+y@z";')
        assert home.deliver().actions == ["redirect x+y@z"]
        assert home.files() == {}
        maker, trace, name, rest = home.sent.read_bytes().removeprefix(b"-f s@a -- x+y@z\n").split(b"\n", 3)
        assert (maker, trace) == (b"X-Sieve: Tamis", b"X-Sieve-Redirected-From: u@b")
        assert re.fullmatch(rb"Message-ID: <[0-9a-f]{32}@mx>", name)
        assert rest == RAW

    @pytest.mark.parametrize("line", ["exit 1", "exit 67", "exit 75", "kill -9 $$"])
    def test_if_the_mta_does_not_take_it_nothing_has_happened(self, home: Home, line: str) -> None:
        home.sendmail.write_text(f"#!/bin/sh\n{line}\n")
        home.script('require "copy"; redirect :copy "x@z";')
        with pytest.raises(TempFail):
            home.deliver()
        assert home.files() == {}

    def test_an_mta_that_hangs_is_killed_in_time(self, home: Home) -> None:
        home.sendmail.write_text("#!/bin/sh\nexec sleep 1000\n")
        home.script('redirect "x@z";')
        with pytest.raises(TempFail):
            home.deliver(timeout=0.2)

    def test_a_program_that_is_not_there_is_temporary(self, home: Home) -> None:
        home.sendmail.unlink()
        home.script('redirect "x@z";')
        with pytest.raises(TempFail):
            home.deliver()


class TestInclude:
    """Scripts that a script includes: the user's own, the site's, and nothing else."""

    FILE = 'require "fileinto"; fileinto "Lists";'

    def test_from_the_users_own_directory(self, home: Home) -> None:
        home.folder(".Lists")
        home.script('require "include"; include "a";')
        (home.path / "sieve").mkdir()
        (home.path / "sieve" / "a.sieve").write_text('require "include"; include "b";')
        (home.path / "sieve" / "b.sieve").write_text(self.FILE)
        assert home.deliver().actions == ["fileinto Lists"]
        (home.path / "sieve" / "b.sieve").write_text("discard;")
        assert home.deliver().actions == ["discard"]

    def test_from_the_sites(self, home: Home, tmp_path: Path) -> None:
        home.script('require "include"; include :global "a"; include :optional :global "b";')
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "a.sieve").write_text("discard;")
        assert home.deliver(site=tmp_path / "site").actions == ["discard"]
        assert home.deliver().actions == ["keep INBOX"]
        assert "included global script 'a' does not exist" in home.log()

    @pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "..", "link", "a\\\0b", ""])
    def test_from_nowhere_else(self, home: Home, name: str) -> None:
        home.script(f'require "include"; include "{name}";')
        (home.path / "sieve").mkdir()
        for outside in (home.path / "secret.sieve", home.path.parent / "secret.sieve"):
            outside.write_text("discard;")
        (home.path / "sieve" / "link.sieve").symlink_to(home.path.parent / "secret.sieve")
        done = home.deliver()
        assert (done.actions, done.sieve) == (["keep INBOX"], "script_error")

    def test_all_together_are_no_larger_than_one_may_be(self, home: Home) -> None:
        home.script('require "include"; include "a"; include "b";')
        (home.path / "sieve").mkdir()
        for name in ("a", "b"):
            (home.path / "sieve" / f"{name}.sieve").write_text("#" + name * 5500)
        assert home.deliver().sieve == "script_error"


class TestMemory:
    """What a user's scripts remember from one message to the next."""

    VACATION = 'require "vacation"; vacation "Away";'
    RAW = b"To: u@b\nSubject: hello\nMessage-ID: <1@x>\n\nbody\n"

    def test_a_sender_is_answered_once(self, home: Home) -> None:
        home.script(self.VACATION)
        assert home.deliver(self.RAW).actions == ["keep INBOX", "vacation s@a"]
        assert home.deliver(self.RAW).actions == ["keep INBOX", "no vacation: sent before"]
        lines = home.sent.read_bytes().splitlines()
        assert lines[0] == b"-f  -- s@a"
        assert lines.count(b"Subject: Auto: hello") == 1
        assert lines[-1] == b"Away"

    def test_automatic_mail_is_not_answered(self, home: Home) -> None:
        home.script(self.VACATION)
        assert home.deliver(b"Precedence: bulk\n" + self.RAW).actions[1].startswith("no vacation: ")
        assert not home.sent.exists()

    def test_a_reply_that_the_mta_does_not_take_is_noted_and_tried_next_time(self, home: Home) -> None:
        home.script(self.VACATION)
        good = home.sendmail.read_text()
        home.sendmail.write_text("#!/bin/sh\nexit 75\n")
        done = home.deliver(self.RAW)
        assert (done.verdict.kind, done.actions) == (Kind.PASS, ["keep INBOX"])
        assert "vacation failed" in home.log()
        home.sendmail.write_text(good)
        assert home.deliver(self.RAW).actions == ["keep INBOX", "vacation s@a"]

    def test_a_memory_that_cannot_be_used_means_no_reply_and_no_loss(self, home: Home) -> None:
        home.script(self.VACATION)
        (home.path / ".tamis.seen").mkdir()
        done = home.deliver(self.RAW)
        assert (done.verdict.kind, done.actions) == (Kind.PASS, ["keep INBOX"])
        assert "vacation failed" in home.log()

    def test_a_duplicate_is_known(self, home: Home) -> None:
        home.script('require "duplicate"; if duplicate { discard; }')
        assert home.deliver(self.RAW).actions == ["keep INBOX"]
        assert home.deliver(self.RAW).actions == ["discard"]
        assert home.deliver(self.RAW.replace(b"<1@x>", b"<2@x>")).actions == ["keep INBOX"]

    def test_what_could_not_be_delivered_was_not_seen(self, home: Home) -> None:
        home.script('require ["duplicate", "copy"]; if duplicate { discard; } redirect :copy "x@z";')
        good = home.sendmail.read_text()
        home.sendmail.write_text("#!/bin/sh\nexit 75\n")
        with pytest.raises(TempFail):
            home.deliver(self.RAW)
        home.sendmail.write_text(good)
        assert "keep INBOX" in home.deliver(self.RAW).actions

    def test_if_nobody_knows_the_message_is_new(self, home: Home) -> None:
        home.script('require "duplicate"; if duplicate { discard; }')
        (home.path / ".tamis.seen").mkdir()
        assert home.deliver(self.RAW).actions == ["keep INBOX"]
        assert "cannot be read" in home.log()


def test_a_special_use_names_a_folder(home: Home) -> None:
    home.script('require ["fileinto", "special-use"]; fileinto :specialuse "\\\\Junk" "Lists";')
    home.folder(".Lists")
    assert home.deliver().actions == ["fileinto Lists"]
    home.folder(".Junk")
    assert home.deliver().actions == ["fileinto Junk"]
    home.script('require "special-use"; if specialuse_exists "INBOX.Junk" "\\\\junk" { discard; }')
    assert home.deliver().actions == ["keep INBOX"]
    home.script('require "special-use"; if specialuse_exists "Junk" "\\\\junk" { discard; }')
    assert home.deliver().actions == ["discard"]


def test_the_delivery_is_an_environment(home: Home) -> None:
    home.script('require "environment"; if environment "phase" "during" { discard; }')
    assert home.deliver().actions == ["discard"]


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_store_without_rights_is_temporary(home: Home) -> None:
    home.path.chmod(0o500)
    with pytest.raises(TempFail):
        home.deliver()


def test_a_file_where_the_maildir_should_be_is_temporary(home: Home) -> None:
    (home.path / "Maildir").write_text("")
    with pytest.raises(TempFail):
        home.deliver()


def test_a_folder_that_is_a_link_is_no_folder(home: Home, tmp_path: Path) -> None:
    home.script(FILE)
    home.deliver(b"first\n\n")
    (tmp_path / "out" / "new").mkdir(parents=True)
    (home.path / "Maildir" / ".Lists").symlink_to(tmp_path / "out")
    assert home.deliver().actions == ["keep INBOX"]
    assert list((tmp_path / "out" / "new").iterdir()) == []
