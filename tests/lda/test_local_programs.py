"""Whole deliveries whose scripts call programs: what is stored, what the user can read about it, what a retry does."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from lda.envelope import Envelope
from lda.execute import Done
from lda.local import Job, deliver
from lda.programs import ProgramsConfig
from lda.scripts import Shelf
from tamis.config.schema import Duration
from tamis.errors import TempFail
from tamis.mail.message import Message
from tamis.verdict import Kind
from tests.lda.home import Home

RAW = b"Received: by mx\n\tid 4XYZ12345; now\nSubject: hello\n\nbody\n"
PROGRAMS = {
    "save": 'cat >"$HOME/saved"; echo "$SENDER $RECIPIENT $ORIG_RECIPIENT $USER $*" >"$HOME/told"',
    "append": 'cat >>"$HOME/appended"',
    "fail": "echo 'out of paper' >&2; exit 1",
    "upper": "exec tr a-z A-Z",
    "spam": 'exec grep -q "$1"',
    "hang": "exec sleep 55",
}


class Site:
    """A user and the programs of the site."""

    def __init__(self, path: Path) -> None:
        path.chmod(0o755)
        self.home = Home(path / "home")
        self.bin = path / "bin"
        self.bin.mkdir(mode=0o755)
        self.bin.chmod(0o755)
        for name, body in PROGRAMS.items():
            (self.bin / name).write_text(f"#!/bin/sh\n{body}\n")
            (self.bin / name).chmod(0o755)

    def deliver(self, script: str, queue_id: str = "Q", **options: object) -> Done:
        self.home.script(script)
        config = ProgramsConfig(
            **{"pipe": self.bin, "filter": self.bin, "execute": self.bin, **options}  # type: ignore[arg-type]
        )
        envelope = Envelope(
            user="u@b", sender="s@a", recipient="u@b", original_recipient="o@b", queue_id=queue_id
        )
        job = Job(user=self.home.user, envelope=envelope, message=Message(RAW))
        shelf = Shelf(trusted=frozenset({0, os.geteuid()}))
        return deliver(job, self.home.settings(programs=config), shelf)

    def read(self, name: str) -> bytes:
        return (self.home.path / name).read_bytes()

    def stored(self) -> dict[str, list[bytes]]:
        return self.home.files()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "home").mkdir()
    return Site(tmp_path)


PIPE = 'require ["vnd.dovecot.pipe", "copy", "fileinto", "variables"];\n'
FILTER = 'require ["vnd.dovecot.filter", "vnd.dovecot.execute", "variables", "fileinto", "mailbox"];\n'


def test_pipe_gives_what_a_stored_copy_would_have(site: Site) -> None:
    done = site.deliver(PIPE + 'pipe "save" ["a", "b c"];', input_eol="lf")
    assert done.actions == ["pipe save"]
    assert done.verdict.kind is Kind.PASS
    saved = site.read("saved")
    assert saved.startswith(b"Return-Path: <s@a>\n")
    assert b"Delivered-To: u@b\n" in saved
    assert saved.endswith(RAW)
    assert site.read("told") == b"s@a u@b o@b u@b a b c\n"
    assert site.stored() == {}


def test_pipe_copy_stores_it_too(site: Site) -> None:
    done = site.deliver(PIPE + 'pipe :copy "save";')
    assert done.actions == ["keep INBOX", "pipe save"]
    assert [raw.endswith(RAW) for raw in site.stored()["new"]] == [True]


def test_a_failure_keeps_the_message_and_the_user_can_read_why(site: Site) -> None:
    done = site.deliver(PIPE + 'pipe "fail";')
    assert done.actions == ["keep INBOX"]
    assert done.verdict.kind is Kind.PASS
    note = "failed to pipe message to program 'fail': it has ended with status 1: out of paper"
    assert done.notes == [note]
    assert note in site.home.log()
    assert len(site.stored()["new"]) == 1


def test_a_program_that_hangs_is_one_that_fails(site: Site) -> None:
    done = site.deliver(PIPE + 'pipe "hang";', timeout=Duration(0.5))
    assert done.notes == ["failed to pipe message to program 'hang': it took longer than 0.5 s"]
    assert done.actions == ["keep INBOX"]


def test_filter_and_execute(site: Site) -> None:
    script = """
        if not execute :pipe "spam" "body" { discard; }
        execute :input "lists" :output "folder" "upper";
        if filter "upper" { fileinto :create "${folder}"; }
    """
    done = site.deliver(FILTER + script)
    assert done.actions == ["fileinto LISTS"]
    assert [raw.endswith(RAW.upper()) for raw in site.stored()[".LISTS/new"]] == [True]


def test_a_script_that_fails_keeps_the_message_as_received(site: Site) -> None:
    done = site.deliver(FILTER + 'filter "upper"; execute "missing";')
    assert done.actions == ["keep INBOX"]
    assert "execute action: program 'missing' not found" in done.notes[0]
    assert site.stored()["new"][0].endswith(RAW)


def test_a_retry_does_not_give_the_message_twice(site: Site) -> None:
    """Whoever delivers is killed when one program has the message and another one has not; the MTA tries again."""
    script = PIPE + 'pipe "append"; pipe "next";'
    following = site.bin / "next"
    following.write_text("#!/bin/sh\nkill -9 $PPID\n")
    following.chmod(0o755)
    pid = os.fork()
    if pid == 0:
        try:
            site.deliver(script)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    assert site.read("appended").count(b"Subject: hello") == 1
    following.write_text('#!/bin/sh\ncat >>"$HOME/next"\n')
    assert site.deliver(script).actions == ["pipe append", "pipe next"]
    assert site.deliver(script).actions == ["delivered before"]
    assert site.read("appended").count(b"Subject: hello") == 1
    assert site.read("next").count(b"Subject: hello") == 1
    assert site.stored() == {}


def test_a_redirect_that_fails_first_defers_and_nothing_has_been_piped(site: Site) -> None:
    site.home.sendmail.write_text("#!/bin/sh\nexit 75\n")
    with pytest.raises(TempFail):
        site.deliver(PIPE + 'redirect "x@y.z"; pipe "append";')
    assert not (site.home.path / "appended").exists()
    assert site.stored() == {}


@pytest.mark.parametrize("command", ["pipe", "filter", "execute"])
def test_without_a_directory_the_script_is_wrong_and_the_message_kept(site: Site, command: str) -> None:
    """As in a Dovecot that has not loaded its plugin."""
    done = site.deliver(
        f'require "vnd.dovecot.{command}"; {command} "upper";', pipe=None, filter=None, execute=None
    )
    assert done.actions == ["keep INBOX"]
    assert f"vnd.dovecot.{command}" in done.notes[0]
    assert done.sieve == "script_error"
