"""The real tamis-milter, asked by a client that speaks the MTA's side of the protocol."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from demo.install import install
from demo.layout import OWNER
from demo.nameserver import NameServer
from tests.milters.client import HDR_LEADSPC, NOT_WANTED, Client, Outcome
from tests.milters.house import Milter, environment, free_port, running, until

pytestmark = pytest.mark.integration

FIELDS = [(b"From", b" a@example.org"), (b"Subject", b" hello"), (b"X-Folded", b" one\n two")]


@pytest.fixture(scope="module")
def dns_port() -> Iterator[int]:
    port = free_port()
    server = NameServer({("example.org", "TXT"): '"v=spf1 ip4:192.0.2.0/24 -all"'}, port)
    yield port
    server.close()


@pytest.fixture(scope="module")
def prefix() -> Iterator[Path]:
    """Tamis as installed: the milter will not be root, and the checkout may be closed to all others."""
    with tempfile.TemporaryDirectory(prefix="tamis-test-") as name:
        prefix = Path(name)
        prefix.chmod(0o755)
        install(prefix / "opt")
        yield prefix / "opt"


@pytest.fixture
def directory(prefix: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tamis-test-") as name:
        if os.geteuid() == 0:
            shutil.chown(name, OWNER, OWNER)
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(params=["pymilter", "native"])
def transport(request: pytest.FixtureRequest) -> str:
    """What must make no difference."""
    return str(request.param)


@pytest.fixture
def milter(prefix: Path, directory: Path, dns_port: int, transport: str) -> Iterator[Milter]:
    with running(prefix, directory, dns_port, transport=transport) as milter:
        yield milter


def send(
    milter: Milter, fields: list[tuple[bytes, bytes]] = FIELDS, login: str = "", client: str = "192.0.2.1"
) -> Outcome:
    with Client(milter.socket) as mta:
        mta.connect(address=client)
        mta.helo("example.org")
        mta.mail("a@example.org", login)
        mta.rcpt("b@example.net")
        return mta.message(fields)


def test_a_message_gets_one_field_on_top_with_what_spf_says(milter: Milter) -> None:
    outcome = send(milter)
    assert outcome.verdict == b"c"
    assert outcome.inserted == [
        (
            0,
            "Authentication-Results",
            " mx.test;\n\t"
            + ";\n\t".join(
                [
                    "spf=pass smtp.mailfrom=a@example.org",
                    "spf=pass smtp.helo=example.org",
                    "dkim=none",
                    "dmarc=none header.from=example.org",
                ]
            ),
        )
    ]


def test_spf_fail_is_a_fact_and_no_refusal(milter: Milter) -> None:
    outcome = send(milter, client="198.51.100.9")
    assert outcome.verdict == b"c"
    assert "spf=fail smtp.mailfrom=a@example.org" in outcome.inserted[0][2]


def test_a_login_is_named_and_not_asked_for_spf(milter: Milter) -> None:
    outcome = send(milter, login="carla@example.net")
    assert outcome.inserted[0][2] == " mx.test;\n\tauth=pass smtp.auth=carla@example.net"


def test_forged_fields_go_from_the_last_to_the_first_and_others_stay(milter: Milter) -> None:
    name = b"Authentication-Results"
    fields = [
        (name, b" mx.test; spf=pass"),
        (b"Subject", b" x"),
        (name, b" mx.other.example; spf=pass"),
        (b"authentication-results", b"\n (comment)\n MX.Test. 1; dkim=pass"),
        (name, b' "mx.test"; dmarc=pass'),
    ]
    outcome = send(milter, fields)
    assert outcome.deleted == [(4, name.decode()), (3, name.decode()), (1, name.decode())]
    assert len(outcome.inserted) == 1


def test_only_needed_steps_are_awaited_and_leading_blanks_are_kept(milter: Milter, transport: str) -> None:
    with Client(milter.socket) as mta:
        assert mta.steps & HDR_LEADSPC
        assert b"j i {auth_authen} {auth_type}" in mta.macros_wanted, "j: never nothing to send"
        assert all(mta.steps & bit for bit in (0x4000, 0x8000, 0x10000, 0x80, 0x40000, 0x80000))
        if transport == "native":
            assert all(mta.steps & NOT_WANTED[step] for step in (b"T", b"N")), "nobody asks, the body tells"


def test_messages_of_a_session_share_no_envelope(milter: Milter) -> None:
    with Client(milter.socket) as mta:
        mta.connect()
        mta.helo("example.org")
        mta.mail("a@example.org", "login@example.org")
        mta.rcpt("b@example.net")
        assert "auth=pass" in mta.message(FIELDS).inserted[0][2]
        mta.abort()
        mta.mail("a@example.org")
        mta.rcpt("b@example.net")
        assert "auth=pass" not in mta.message(FIELDS).inserted[0][2]


def test_what_a_callback_cannot_take_is_answered_at_the_end_and_not_with_silence(milter: Milter) -> None:
    with Client(milter.socket) as mta:
        mta.connect()
        mta.helo("example.org")
        mta.mail("a@example.org")
        mta.rcpt("b@example.net")
        outcome = mta.message([(b"Bad Name", b" x"), *FIELDS])
        assert outcome.reply == "550 5.6.0 Header field has a malformed name"
        mta.mail("a@example.org")
        mta.rcpt("b@example.net")
        assert mta.message(FIELDS).verdict == b"c", "the next message is judged as ever"


@pytest.mark.parametrize("transport", ["native"])
def test_names_that_are_no_utf8_are_names(milter: Milter) -> None:
    with Client(milter.socket) as mta:
        mta._send(b"C", b"\xff.example\0" + b"4\0\x19192.0.2.1\0")
        mta._send(b"H", b"\xff\xfe\0")
        mta.mail("a@example.org")
        mta.rcpt("b@example.net")
        outcome = mta.message([(b"X-\xff", b" x"), *FIELDS])
        assert outcome.reply == "550 5.6.0 Header field has a malformed name"
        mta.mail("a@example.org")
        mta.rcpt("b@example.net")
        assert "spf=pass smtp.mailfrom=a@example.org" in mta.message(FIELDS).inserted[0][2]


@pytest.mark.parametrize("transport", ["pymilter"])
def test_a_name_that_pymilter_cannot_decode_defers_its_step_and_is_not_lost(milter: Milter) -> None:
    """Lost, a client's name would take its address with it, and a HELO would leave the one before in its place."""
    with Client(milter.socket) as mta:
        mta._send(b"C", b"\xff.example\0" + b"4\0\x19192.0.2.1\0")
        assert mta.outcome().reply.startswith("451 4.")
    with Client(milter.socket) as mta:
        assert mta.connect() == b"c"
        assert mta.helo("example.org") == b"c"
        mta._send(b"H", b"\xff\xfe\0")
        assert mta.outcome().reply.startswith("451 4.")


def test_bytes_that_are_no_utf8_are_no_harm_elsewhere(milter: Milter, transport: str) -> None:
    with Client(milter.socket) as mta:
        mta.connect()
        mta.helo("example.org")
        login = (b"{auth_authen}", b"\xff\xfe", b"{auth_type}", b"PLAIN")
        if transport == "pymilter":  # which cannot tell its bytes, so that nobody has logged in
            mta._send(b"D", b"M" + b"".join(word + b"\0" for word in login))
        mta.step(b"M", b"<\xff\xfe@example.org>\0")
        mta.rcpt("b@example.net")
        outcome = mta.message([(b"Subject", b" \xff\xfe"), *FIELDS])
    assert outcome.verdict == b"c"
    assert "spf=pass smtp.mailfrom=example.org" in outcome.inserted[0][2]


def test_a_flood_of_forged_fields_is_refused(milter: Milter) -> None:
    outcome = send(milter, [(b"Authentication-Results", b" mx.test; spf=pass")] * 2000)
    assert outcome.reply == "550 5.7.1 Too many Authentication-Results fields"
    assert not outcome.deleted


def test_each_message_is_in_the_journal(milter: Milter) -> None:
    send(milter)
    until(lambda: any(b"4TESTqueueid" in f.read_bytes() for f in milter.journal.iterdir()), "a record")
    assert not milter.count("journal cannot be written")


def test_a_flood_of_fields_is_refused(milter: Milter) -> None:
    outcome = send(milter, [(b"X", b" y")] * 10_001)
    assert outcome.reply == "550 5.6.0 Header section is too long"


def test_a_large_message_is_judged_and_counted(milter: Milter) -> None:
    with Client(milter.socket) as mta:
        mta.connect()
        mta.helo("example.org")
        mta.mail("a@example.org")
        mta.rcpt("b@example.net")
        assert mta.message(FIELDS, b"x" * 76 + b"\r\n" * 100_000).verdict == b"c"
    assert milter.metric('tamis_milter_messages_total{action="accept"}') == 1
    assert milter.metric("tamis_milter_message_bytes_sum") > 200_000


def test_many_sessions_at_once(milter: Milter) -> None:
    with ThreadPoolExecutor(50) as pool:
        outcomes = list(pool.map(lambda _: send(milter), range(200)))
    assert all(outcome.inserted[0][2].startswith(" mx.test;\n\tspf=pass") for outcome in outcomes)
    until(lambda: milter.metric("tamis_milter_sessions") == 0, "all sessions to end")


def test_sighup_takes_the_new_file_and_keeps_the_old_one_if_it_is_bad(milter: Milter) -> None:
    good = milter.config.read_text()
    milter.config.write_text(good.replace('hostname = "mx.test"', 'hostname = "new.test"'))
    milter.process.send_signal(signal.SIGHUP)
    until(lambda: send(milter).inserted[0][2].startswith(" new.test;"), "the new name")
    milter.config.write_text(good + "\n[milter.checks.nosuch]\n")
    milter.process.send_signal(signal.SIGHUP)
    until(lambda: milter.count("reload refused") > 0, "a refusal in the log")
    assert send(milter).inserted[0][2].startswith(" new.test;")
    assert milter.metric("tamis_config_last_reload_successful") == 0


def test_content_that_no_check_looks_at_is_not_asked_for(milter: Milter) -> None:
    """A session that began without it cannot answer for a check that a reload brings."""
    bare = milter.config.read_text().replace("[milter.checks.authenticate]\n", "")
    milter.config.write_text(bare)
    milter.process.send_signal(signal.SIGHUP)
    until(lambda: not send(milter).inserted, "the check to go")
    with Client(milter.socket) as mta:
        for step in (b"L", b"N", b"B"):
            assert mta.steps & NOT_WANTED[step]
        mta.connect()
        mta.mail("a@example.org")
        mta.rcpt("b@example.net")
        assert mta.message(FIELDS) == Outcome(b"c")
        milter.config.write_text(bare + "[milter.checks.authenticate]\n")
        milter.process.send_signal(signal.SIGHUP)
        until(lambda: bool(send(milter).inserted), "the check")
        mta.mail("a@example.org")
        mta.rcpt("b@example.net")
        assert mta.message(FIELDS).reply == "451 4.3.0 New checks have come meanwhile, try again later"


def test_sigterm_lets_a_message_end_that_has_begun(milter: Milter) -> None:
    with Client(milter.socket) as mta:
        mta.connect()
        mta.helo("example.org")
        mta.mail("a@example.org")
        mta.rcpt("b@example.net")
        milter.process.send_signal(signal.SIGTERM)
        until(lambda: milter.count("stopping") > 0, "the stop to begin")
        assert mta.message(FIELDS).inserted
    assert milter.process.wait(20) == 0


def test_a_killed_worker_is_replaced_and_the_socket_goes_on(milter: Milter) -> None:
    send(milter)
    (worker,) = milter.workers()
    os.kill(worker, signal.SIGKILL)
    until(lambda: milter.count("worker started") == 2, "a new worker")
    assert send(milter).verdict == b"c"
    assert milter.metric("tamis_milter_worker_restarts_total") == 1
    assert milter.metric('tamis_milter_messages_total{action="accept"}') == 2, (
        "what the dead one counted stays"
    )


def test_workers_leave_when_their_parent_is_killed(milter: Milter) -> None:
    (worker,) = milter.workers()
    send(milter)
    milter.process.kill()
    milter.process.wait()
    until(lambda: not Path(f"/proc/{worker}").exists(), "the worker to leave")
    assert not list(milter.temporary.iterdir())


def test_a_milter_that_starts_again_takes_the_socket_over(
    prefix: Path, directory: Path, dns_port: int
) -> None:
    with running(prefix, directory, dns_port) as first:
        first.process.kill()
        first.process.wait()
        with running(prefix, directory, dns_port) as second:
            assert send(second).verdict == b"c"


def test_a_broken_configuration_is_78_with_all_problems_and_no_socket(tmp_path: Path) -> None:
    config = tmp_path / "tamis.toml"
    config.write_text(
        f'[milter]\nlisten = "unix:{tmp_path}/m"\nworkers = "many"\nusr = "x"\n[milter.checks.spf]\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "milters", "-c", str(config)],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert done.returncode == 78
    for key in ("milter.workers", "milter.usr", "milter.checks.spf"):
        assert key in done.stderr
    assert not (tmp_path / "m").exists()
