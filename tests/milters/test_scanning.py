"""The real tamis-milter with scanners that are real sockets, by both transports."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.install import install
from demo.layout import OWNER
from tests.milters.client import Client, Outcome
from tests.milters.house import Milter, free_port
from tests.milters.scanners.fakes import (
    CLEAN,
    Deed,
    Fake,
    clamd_request,
    counted_request,
    hangs_up,
    is_silent,
    opinion,
    says,
)

pytestmark = pytest.mark.integration

CHECKS = """
[milter.checks.antivirus]
servers = ["{clamd}"]
timeout = "{timeout}"
on_error = "{on_error}"
signatures = {{ "Heuristics.*" = "hold" }}
[milter.checks.spam]
servers = ["{rspamd}"]
timeout = "{timeout}"
on_error = "{on_error}"
reject = 12.0
greylist = 4.0
subject = "[SPAM]"
"""
FIELDS = [(b"From", b" a@example.org"), (b"Subject", b" hello"), (b"X-Spam-Flag", b" NO")]
EVIL = b"stream: Evil FOUND\0"


@pytest.fixture(scope="module")
def prefix() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tamis-test-") as name:
        prefix = Path(name)
        prefix.chmod(0o755)
        install(prefix / "opt")
        yield prefix / "opt"


@dataclass
class Site:
    """A milter and the scanners that it asks."""

    milter: Milter
    clamd: Fake
    rspamd: Fake

    def is_well(self) -> None:
        self.clamd.deed, self.rspamd.deed = says(CLEAN), says(opinion(1.0))

    def send(self, body: bytes = b"hello\r\n", fields: list[tuple[bytes, bytes]] = FIELDS) -> Outcome:
        with Client(self.milter.socket, timeout_s=120.0) as mta:
            mta.connect()
            mta.helo("example.org")
            mta.mail("a@example.org")
            mta.rcpt("b@example.net")
            return mta.message(fields, body)


@pytest.fixture(scope="module", params=["pymilter", "native"])
def transport(request: pytest.FixtureRequest) -> str:
    """What must make no difference."""
    return str(request.param)


def opened(stack: ExitStack, prefix: Path, transport: str, on_error: str, timeout: str = "1s") -> Site:
    """A milter without any check but these two."""
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tamis-test-")))
    directory.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(directory, OWNER, OWNER)
    clamd = stack.enter_context(Fake(clamd_request, says(CLEAN), directory / "clamd"))
    rspamd = stack.enter_context(Fake(counted_request, says(opinion(1.0))))
    milter = Milter(prefix, directory, free_port(), 1, transport)
    checks = CHECKS.format(clamd=clamd.address, rspamd=rspamd.address, on_error=on_error, timeout=timeout)
    text = milter.config.read_text().partition("[milter.checks")[0]
    milter.config.write_text(text.replace("drain =", 'deadline = "120s"\ndrain =') + checks)
    stack.callback(milter.stop)
    milter.start()
    return Site(milter, clamd, rspamd)


@pytest.fixture(scope="module")
def shared(prefix: Path, transport: str) -> Iterator[Site]:
    with ExitStack() as stack:
        yield opened(stack, prefix, transport, "defer")


@pytest.fixture
def site(shared: Site) -> Site:
    """Nobody has failed lately, and nothing was asked yet."""
    shared.is_well()
    shared.send()
    shared.clamd.requests.clear()
    shared.rspamd.requests.clear()
    return shared


def test_a_good_message_is_marked_and_forged_marks_go(site: Site) -> None:
    outcome = site.send()
    assert outcome.verdict == b"c"
    assert outcome.deleted == [(1, "X-Spam-Flag")]
    assert outcome.appended == [
        ("X-Virus-Status", " Clean"),
        ("X-Spam-Flag", " NO"),
        ("X-Spam-Score", " 1.00"),
        ("X-Spam-Level", " *"),
        ("X-Spam-Status", " No, score=1.00 required=15.00\n\ttests=LARGE,SMALL"),
    ]
    seen = b"From: a@example.org\r\nSubject: hello\r\nX-Spam-Flag: NO\r\n\r\nhello\r\n"
    assert site.clamd.requests == [seen]
    assert site.rspamd.requests[0].endswith(b"\r\n\r\n" + seen)
    assert b"\r\nQueue-Id: 4TESTqueueid\r\n" in site.rspamd.requests[0]


def test_malware_is_refused_with_its_name(site: Site) -> None:
    site.clamd.deed = says(EVIL)
    assert site.send().reply == "550 5.7.1 Malware found: Evil"
    assert site.rspamd.requests == [], "nobody else is asked about it"


def test_a_message_is_held_for_a_reason_and_keeps_its_marks(site: Site) -> None:
    site.clamd.deed = says(b"stream: Heuristics.Encrypted.Zip FOUND\0")
    outcome = site.send()
    assert (outcome.verdict, outcome.quarantined) == (b"c", "Malware found: Heuristics.Encrypted.Zip")
    assert ("X-Virus-Status", " Infected (Heuristics.Encrypted.Zip)") in outcome.appended
    assert ("X-Spam-Flag", " NO") in outcome.appended


def test_spam_is_refused_deferred_or_marked(site: Site) -> None:
    site.rspamd.deed = says(opinion(12.0))
    assert site.send().reply == "550 5.7.1 Message looks like spam"
    site.rspamd.deed = says(opinion(4.0))
    assert site.send().reply.startswith("451 4.7.1 Greylisted, try again in 300 seconds")
    site.rspamd.deed = says(opinion(3.0, "add header"))
    outcome = site.send()
    assert outcome.changed == [(1, "Subject", " [SPAM] hello")]
    assert ("X-Spam-Flag", " YES") in outcome.appended


def test_a_large_message_reaches_the_scanner_whole(site: Site) -> None:
    """It is on disk by then, and is sent from there."""
    body = os.urandom(5 << 20).replace(b"\n", b"x").replace(b"\r", b"x") + b"\r\n"
    outcome = site.send(body)
    assert outcome.verdict == b"c"
    assert site.clamd.requests[0].endswith(b"\r\n\r\n" + body)
    assert ("X-Spam-Status", " No, skipped=size") in outcome.appended


BAD: dict[str, Deed] = {"silent": is_silent, "hangs up": hangs_up, "garbage": says(b"\x00\xff OK FOUND\r\n")}


@pytest.mark.parametrize("deed", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("which", ["clamd", "rspamd"])
def test_a_scanner_that_fails_defers_the_mail_in_time(site: Site, which: str, deed: Deed) -> None:
    getattr(site, which).deed = deed
    assert site.send().reply == f"451 4.3.0 No answer from {which}, try again later"


def test_a_scanner_that_is_gone_lets_mail_pass_unmarked_where_on_error_says_so(
    prefix: Path, transport: str
) -> None:
    with ExitStack() as stack:
        site = opened(stack, prefix, transport, "pass")
        site.clamd.close()
        site.rspamd.deed = hangs_up
        for _ in range(7):  # past the point where nobody asks them any more
            outcome = site.send()
            assert (outcome.verdict, outcome.appended) == (b"c", [])
        assert len(site.rspamd.requests) == 5
        series = f'scanner="rspamd",server="{site.rspamd.address}"'
        assert site.milter.metric('tamis_milter_scanner_answers_total{result="failure",' + series) == 5
        assert site.milter.metric('tamis_milter_scanner_answers_total{result="skipped",' + series) == 2


def test_fifty_at_once_wait_for_their_scanners_together(prefix: Path, transport: str) -> None:
    """A scanner answers nobody until all are there."""
    together = threading.Barrier(50, timeout=60)

    def deed(connection: socket.socket) -> None:
        with suppress(threading.BrokenBarrierError):
            together.wait()
        connection.sendall(CLEAN)

    with ExitStack() as stack:
        site = opened(stack, prefix, transport, "defer", "90s")
        site.clamd.deed = deed
        with ThreadPoolExecutor(50) as pool:
            outcomes = list(pool.map(lambda _n: site.send(), range(50)))
        assert [outcome.verdict for outcome in outcomes] == [b"c"] * 50
        assert len(site.rspamd.requests) == 50
        assert not together.broken


def test_those_that_wait_for_a_scanner_hold_up_nobody(prefix: Path, transport: str) -> None:
    """Many have an answer while twenty, more than libmilter keeps threads for, still wait for theirs."""
    asked, others_are_done = threading.Semaphore(0), threading.Event()

    def deed(connection: socket.socket) -> None:
        asked.release()
        others_are_done.wait(80)
        connection.sendall(CLEAN)

    with ExitStack() as stack:
        site = opened(stack, prefix, transport, "defer", "90s")
        site.clamd.deed = deed
        pool = stack.enter_context(ThreadPoolExecutor(60))
        stack.callback(others_are_done.set)
        slow = [pool.submit(site.send) for _ in range(20)]
        assert all(asked.acquire(timeout=60) for _ in slow)
        site.clamd.deed = says(CLEAN)
        quick = list(pool.map(lambda _n: site.send().verdict, range(100)))
        assert quick == [b"c"] * 100
        assert not any(one.done() for one in slow)
        others_are_done.set()
        assert [one.result().verdict for one in slow] == [b"c"] * 20
