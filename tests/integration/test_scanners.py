"""The real clamd, rspamd and spamd: what they say is what we take it for."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from milters.checks.antivirus import Antivirus
from milters.checks.spam import Spam
from milters.scanners import clamd, servers
from milters.scanners.clamd import Scan
from milters.scanners.servers import Patience, Servers
from tamis.check import Services
from tamis.dns import ZoneResolver
from tamis.log import Log
from tamis.mail.message import Message, Spool
from tamis.transaction import Transaction
from tamis.verdict import AddHeader, Kind, Verdict
from tests.integration import scanners
from tests.integration.scanners import HALF, MALWARE, SPAM, STREAM_MAX, UNWANTED, Scanner

pytestmark = pytest.mark.integration

HEAD = b"From: a@outside.example\r\nTo: b@example.org\r\nSubject: x\r\nMessage-Id: <1@x>\r\n\r\n"
TXN = Transaction(
    client_address="192.0.2.1",
    client_name="mx.outside.example",
    helo_name="mx.outside.example",
    sender="ü@outside.example",
    recipients=("b@example.org", "c@example.org"),
    queue_id="4TEST",
)
SERVICES = Services(cast("Any", None), ZoneResolver({}), lambda: 0.0, "mx.test", Log.null())


def running(program: str) -> Iterator[Scanner]:
    if not scanners.installed(program):
        pytest.skip(f"{program} is not installed")
    with {
        "clamd": scanners.running_clamd, "rspamd": scanners.running_rspamd, "spamd": scanners.running_spamd
    }[program]() as scanner:  # fmt: skip
        yield scanner


@pytest.fixture(scope="module")
def virus_scanner() -> Iterator[Scanner]:
    yield from running("clamd")


@pytest.fixture(scope="module", params=["rspamd", "spamd"])
def spam_filter(request: pytest.FixtureRequest) -> Iterator[tuple[Literal["rspamd", "spamd"], Scanner]]:
    for scanner in running(request.param):
        yield request.param, scanner


def spooled(size: int, end: bytes = b"", start: bytes = b"") -> Message:
    """A message of *size* bytes, on disk where it is large."""
    spool = Spool()
    spool.write(HEAD + start)
    left = size - len(HEAD + start + end)
    while left > 0:
        spool.write((b"x" * 76 + b"\r\n")[: min(left, 78)])
        left -= 78
    spool.write(end)
    return spool.finish()


def judge(check: Antivirus | Spam, message: Message, txn: Transaction = TXN) -> Verdict:
    return asyncio.run(check.run(replace(txn, message=message), SERVICES))


def added(verdict: Verdict) -> dict[str, str]:
    return {edit.name: edit.value for edit in verdict.edits if isinstance(edit, AddHeader)}


@pytest.mark.parametrize("transport", [0, 1], ids=["unix", "inet"])
def test_clamd_finds_what_it_knows_wherever_it_stands(virus_scanner: Scanner, transport: int) -> None:
    check = Antivirus(servers=(virus_scanner.addresses[transport],), signatures={"PUA.*": "hold"})
    assert added(judge(check, spooled(STREAM_MAX))) == {"X-Virus-Status": "Clean"}
    verdict = judge(check, spooled(STREAM_MAX - 100, MALWARE))
    assert (verdict.kind, verdict.text) == (Kind.REJECT, "Malware found: Test.Marker-1.UNOFFICIAL")
    verdict = judge(check, Message(HEAD + UNWANTED))
    assert (verdict.kind, verdict.text) == (Kind.HOLD, "Malware found: PUA.Test.Marker-2.UNOFFICIAL")
    assert asyncio.run(check.self_test(ZoneResolver({})))[0][1] == ""


@pytest.mark.parametrize("transport", [0, 1], ids=["unix", "inet"])
@pytest.mark.parametrize("size", [STREAM_MAX + 1, 20 << 20])
def test_clamd_says_when_it_is_too_much_and_is_heard_while_we_still_send(
    virus_scanner: Scanner, transport: int, size: int
) -> None:
    check = Antivirus(servers=(virus_scanner.addresses[transport],), too_large="hold")
    message = spooled(size)
    for _ in range(5):
        assert judge(check, message).reason == "too_large"


def test_clamd_answers_fifty_at_once(virus_scanner: Scanner) -> None:
    asked = Servers("clamd", servers.fit(virus_scanner.addresses), "turns", Patience(10.0, 20.0))
    contents = [HEAD + MALWARE * (n % 2) for n in range(50)]

    async def law() -> list[Scan]:
        return await asyncio.gather(*(asked.ask(clamd.instream(c), Log.null()) for c in contents))

    assert asyncio.run(law()) == [Scan(), Scan("Test.Marker-1.UNOFFICIAL")] * 25


def test_filters_tell_spam_from_ham(spam_filter: tuple[Literal["rspamd", "spamd"], Scanner]) -> None:
    name, scanner = spam_filter
    check = Spam(scanner=name, servers=scanner.addresses[:1], reject=10.0, subject="[SPAM]", spam=5.0)
    verdict = judge(check, Message(HEAD + b"hello\r\n"))
    assert (verdict.kind, added(verdict)["X-Spam-Flag"]) == (Kind.PASS, "NO")
    verdict = judge(check, Message(HEAD + HALF + b"\r\n"))
    assert (verdict.kind, added(verdict)["X-Spam-Flag"], verdict.tags) == (Kind.PASS, "YES", ("spam",))
    assert added(verdict)["X-Spam-Score"] == "5.50"
    assert added(verdict)["X-Spam-Status"].endswith("\n\ttests=TAMIS_HALF")
    verdict = judge(check, spooled(1_500_000, start=SPAM + b"\r\n"))
    assert verdict.kind is Kind.REJECT
    assert "TAMIS_SPAM" in verdict.reason
    assert asyncio.run(check.self_test(ZoneResolver({})))[0][1] == ""


def test_rspamd_is_asked_by_tcp_and_obeyed() -> None:
    for scanner in running("rspamd"):
        check = Spam(servers=scanner.addresses[1:], obey=True)
        assert judge(check, Message(HEAD + SPAM)).kind is Kind.REJECT
        assert judge(check, Message(HEAD), replace(TXN, sender="", recipients=())).kind is Kind.PASS


def test_what_is_taught_is_learned(
    spam_filter: tuple[Literal["rspamd", "spamd"], Scanner], tmp_path: Path
) -> None:
    name, scanner = spam_filter

    def learn(*flags: str, words: bytes = b"x") -> subprocess.CompletedProcess[bytes]:
        server = scanner.controller or scanner.addresses[0]
        command = ["-m", "tamis.cli", "spam", "learn", "--scanner", name, "--server", server, *flags]
        return subprocess.run(
            [sys.executable, *command], input=HEAD + words, capture_output=True, check=False
        )

    password: list[str] = []
    if name == "rspamd":
        refused = learn("--spam")
        assert refused.returncode == 69
        assert b"Unauthorized" in refused.stderr
        (tmp_path / "password").write_text(scanners.PASSWORD)
        (tmp_path / "password").chmod(0o600)
        password = ["--password-file", str(tmp_path / "password")]
    for verdict in ("spam", "ham"):
        done = learn(f"--{verdict}", *password, words=b"%b words for today only" % verdict.encode())
        assert (done.returncode, done.stdout) == (0, b"learned\n"), done.stderr
