"""tamis-lmtpd and tamis-lda as processes: the same result with and without an engine, and nothing is ever cut."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from tests.installed import installed
from tests.lda.lmtp.client import LmtpClient
from tests.lda.site import IS_ROOT, UID, Rights, Site, make_site, owner, wait_for

RIGHTS: list[Rights] = ["owner", "root"] if IS_ROOT else ["owner"]
needs_root = pytest.mark.skipif(not IS_ROOT, reason="needs root")


@pytest.fixture(params=RIGHTS)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with make_site(request.param) as one:
        yield one


@pytest.fixture
def quiet() -> Iterator[Site]:
    """A site whose engine is not started and would have the mail's uid."""
    with make_site() as one:
        yield one


@pytest.mark.parametrize("engine", [True, False])
def test_the_result_is_the_same_with_and_without_an_engine(site: Site, engine: bool) -> None:
    if engine:
        site.start()
    as_root = (
        IS_ROOT
        and not engine
        and os.access("/root", os.W_OK)
        and 'user = ""' in Path(site.config).read_text()
    )
    assert site.lda("-f", "s@a", "-d", "u@b", as_root=as_root) == (0, "")
    assert site.inbox("u") == [b"Return-Path: <s@a>\nDelivered-To: u@b\nSubject: x\n\nbody\n"]
    (path,) = (site.mail / "u" / "Maildir" / "new").iterdir()
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (UID, 0o600)
    status, text = site.lda("-d", "../u@b", as_root=as_root)
    assert (status, text[:6]) == (69, "5.1.3 ")
    records = [
        json.loads(line)
        for file in (site.path / "journal").iterdir()
        for line in file.read_text().splitlines()
    ]
    assert [(r["program"], r["verdict"], r["recipient"]) for r in records[:1]] == [("lda", "pass", "u@b")]


def test_a_socket_that_an_engine_left_behind_is_no_engine(quiet: Site) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(quiet.path / "lda.sock"))
    (quiet.path / "lda.sock").chmod(0o666)
    assert quiet.lda("-d", "u@b") == (0, "")
    assert len(quiet.inbox("u")) == 1


def test_an_engine_is_used_where_there_is_one(site: Site) -> None:
    """Falling back where a right is missing would be right, slow, and noticed by nobody."""
    engine = site.start()
    assert site.lda("-d", "u@b") == (0, "")
    wait_for(lambda: "event=delivery" in site.log())
    assert "transport=pipe" in site.log()
    assert "program=tamis-lda " not in site.log()
    assert engine.poll() is None


def test_unknown_users_bounce_with_the_status_of_unknown_users(quiet: Site) -> None:
    quiet.configure(users='sources = ["system"]')
    assert quiet.lda("-d", "surely-nobody@b") == (67, "5.1.1 User unknown\n")


def test_a_database_that_is_down_defers(quiet: Site) -> None:
    quiet.configure(users=f'sources = ["passwd_file"]\n[lda.users.passwd_file]\npath = "{quiet.path}/none"')
    status, text = quiet.lda("-d", "u@b")
    assert (status, text[:6]) == (75, "4.3.0 ")


def test_mailbox_command_delivers_to_whoever_runs_it(quiet: Site) -> None:
    """local(8) has become the user; there is no -d, and a From line comes first."""
    done = subprocess.run(
        quiet.lda_command("-a", "o@b"), input=b"From s@a  Mon Jan  1 00:00:00 2024\nSubject: x\n\n", cwd="/",
        stdout=subprocess.PIPE, env={"HOME": str(quiet.mail), "SENDER": "s@a", "RECIPIENT": "u@b"}, check=False,
        **owner(),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, b"")
    (path,) = (quiet.mail / "Maildir" / "new").iterdir()
    assert path.read_bytes() == b"Return-Path: <s@a>\nX-Original-To: o@b\nDelivered-To: u@b\nSubject: x\n\n"


@needs_root
def test_a_mailbox_of_another_uid_is_left_to_a_client_that_may(quiet: Site) -> None:
    """The engine is nobody and cannot deliver to uid 12345; the client, run as root here, can."""
    quiet.start()
    quiet.configure('user = "nobody"')
    text = Path(quiet.config).read_text().replace(f"uid = {UID}", "uid = 12345")
    Path(quiet.config).write_text(text)
    os.chmod(quiet.mail, 0o777)
    quiet.engine.send_signal(signal.SIGHUP)  # type: ignore[union-attr]
    wait_for(lambda: "configuration reloaded" in quiet.log_of(quiet.engine))
    assert quiet.lda("-d", "v@b")[0] == 75
    assert quiet.lda("-d", "v@b", as_root=True) == (0, "")
    (path,) = (quiet.mail / "v" / "Maildir" / "new").iterdir()
    assert path.stat().st_uid == 12345


def lmtpd(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run tamis-lmtpd, which is expected to end by itself."""
    command = [installed().python, "-m", "lda", "-c", site.config, *arguments]
    return subprocess.run(
        command, capture_output=True, cwd=installed().site, check=False, timeout=30, text=True
    )


class TestStart:
    def test_a_broken_configuration_is_refused_whole_before_a_listener_opens(self, quiet: Site) -> None:
        quiet.configure(
            "lisen = []", "deliveries = 0", users='sources = ["nis"]', other="[lda.sieve]\nmax_size = 1"
        )
        done = lmtpd(quiet)
        assert done.returncode == 78
        assert all(word in done.stderr for word in ("lda.lisen", "lda.deliveries", "nis")), done.stderr
        assert not (quiet.path / "lmtp.sock").exists()

    @pytest.mark.parametrize("flag", ["--check", "--defaults", "--changed", "--version"])
    def test_questions_about_the_configuration_are_answered_without_serving(
        self, quiet: Site, flag: str
    ) -> None:
        done = lmtpd(quiet, flag)
        assert (done.returncode, done.stderr) == (0, "")
        assert not (quiet.path / "lmtp.sock").exists()

    def test_an_address_that_cannot_be_listened_on_is_78(self, quiet: Site) -> None:
        (quiet.path / "lmtp.sock").write_text("in the way")
        assert lmtpd(quiet).returncode == 78

    def test_a_bad_reload_keeps_the_old_configuration(self, quiet: Site) -> None:
        engine = quiet.start()
        Path(quiet.config).write_text("[lda\n")
        engine.send_signal(signal.SIGHUP)
        wait_for(lambda: "reload refused" in quiet.log_of(engine))
        assert quiet.lda("-d", "u@b") == (0, "")
        assert quiet.stop() == 0


async def _pour(site: Site, enough: int, done: list[int], killed: asyncio.Event) -> None:
    """Deliver numbered messages over LMTP until nobody answers. *done* were answered with success."""
    async with LmtpClient(site.path / "lmtp.sock") as client:
        await client.say("LHLO x")
        for number in count():
            raw = b"X-Number: %d\n\n" % number + b"x" * 50_000 + b"\nend"
            replies = await client.send(raw, "s@a", "u@b")
            if not replies or not replies[-1]:
                return
            if replies[-1].startswith("250"):
                done.append(number)
            if len(done) == enough:
                killed.set()


@pytest.mark.parametrize("after", [1, 15])
def test_kill_9_of_the_engine_cuts_no_message_and_loses_none_that_was_answered(
    site: Site, after: int
) -> None:
    engine = site.start()
    done: list[int] = []

    async def run() -> None:
        time_to_kill = asyncio.Event()
        pouring = asyncio.create_task(_pour(site, after, done, time_to_kill))
        await time_to_kill.wait()
        os.killpg(engine.pid, signal.SIGKILL)
        with suppress(OSError):
            await pouring

    asyncio.run(run())
    engine.wait(30)
    stored = site.inbox("u")
    assert all(message.endswith(b"\nend\n") for message in stored)
    numbers = [int(message.partition(b"X-Number: ")[2].partition(b"\n")[0]) for message in stored]
    assert set(done) <= set(numbers)
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("engine", [True, False])
def test_kill_9_of_the_client_cuts_no_message(quiet: Site, engine: bool) -> None:
    """At whatever point: nothing, or the whole message."""
    if engine:
        quiet.start()
    message = b"x" * (1 << 20) + b"\nend\n"
    for quarter in range(6):
        process = subprocess.Popen(
            quiet.lda_command("-d", "u@b"), stdin=subprocess.PIPE, bufsize=0, cwd="/", **owner()
        )
        with process:
            assert process.stdin
            process.stdin.write(message[: (1 << 18) * quarter])
            process.kill()
    quiet.stop()
    assert all(stored.endswith(message) for stored in quiet.inbox("u"))


def test_sigterm_in_the_middle_finishes_what_was_begun(site: Site) -> None:
    engine = site.start()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(site.path / "lmtp.sock"))
        peer.settimeout(20)
        lines = peer.makefile("rb")
        peer.sendall(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<u@b>\r\nDATA\r\n")
        while not lines.readline().startswith(b"354"):
            pass
        engine.send_signal(signal.SIGTERM)
        wait_for(lambda: "event=stopping" in (site.path / "log").read_text())
        peer.sendall(b"Subject: x\r\n\r\n.\r\n")
        assert lines.readline().startswith(b"250 2.0.0")
        assert lines.readline().startswith(b"421")
        lines.close()
    assert engine.wait(30) == 0
    assert len(site.inbox("u")) == 1


@needs_root
def test_root_delivers_as_the_user_with_no_right_of_roots() -> None:
    """The script's redirect runs a program that tells who it is."""
    with make_site("root") as site:
        teller = site.path / "teller"
        teller.write_text(
            f"#!/bin/sh\n/usr/bin/id -u >{site.mail}/who\n/usr/bin/id -G >>{site.mail}/who\nread line\n"
        )
        teller.chmod(0o755)
        other = f'[lda.submit]\ncommand = ["{teller}", "{{recipient}}"]'
        site.configure('user = ""', other=other)
        (site.mail / "u").mkdir()
        (site.mail / "u" / ".dovecot.sieve").write_text('redirect "x@y";')
        site.start()
        assert site.lda("-d", "u@b") == (0, "")
        assert (site.mail / "who").read_text().split() == [str(UID), str(UID)]


@needs_root
def test_the_first_message_of_a_user_with_an_mbox_makes_it() -> None:
    """As Debian's policy has it below /var/mail, where users may make no files."""
    with make_site("root") as site:
        spool = site.path / "spool"
        spool.mkdir()
        spool.chmod(0o2775)
        where = f'location = "{spool}/{{local}}"\nmbox_folders = "{{home}}/mail"'
        site.configure('user = ""', other=f"[lda.maildir]\n{where}")
        site.start()
        for _ in range(2):
            assert site.lda("-f", "s@a", "-d", "u@b") == (0, "")
        found = (spool / "u").stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (UID, spool.stat().st_gid, 0o660)
        assert (spool / "u").read_bytes().count(b"\nSubject: x\n\nbody\n") == 2


@needs_root
def test_a_child_that_hangs_defers_and_the_engine_goes_on() -> None:
    with make_site("root") as site:
        sleeper = site.path / "sleeper"
        sleeper.write_text("#!/bin/sh\nexec sleep 20\n")
        sleeper.chmod(0o755)
        other = f'[lda.submit]\ncommand = ["{sleeper}", "{{recipient}}"]'
        site.configure('user = ""', 'deadline = "2s"', other=other)
        (site.mail / "u").mkdir()
        (site.mail / "u" / ".dovecot.sieve").write_text('redirect "x@y";')
        site.start()
        status, text = site.lda("-d", "u@b")
        assert (status, text[:6]) == (75, "4.3.0 ")
        assert site.lda("-d", "v@b") == (0, "")
