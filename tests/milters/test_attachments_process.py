"""The real tamis-milter with the attachments check, by both transports: refusals, limits, children that come and go."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.milters.attachments.made import FILES, PROGRAM, mail, zipped
from tests.milters.client import Client, Outcome
from tests.milters.house import Milter, running, until
from tests.milters.test_process import directory, dns_port, prefix, transport  # noqa: F401 - fixtures

pytestmark = pytest.mark.integration

CHECKS = """\
[milter.checks.attachments]
on_limit = "DEFER 4.7.1 Too much in {name}"
limits = { seconds = "2s" }
[[milter.checks.attachments.rule]]
name = "locked"
encrypted = true
action = "hold"
"""
BOMB = zipped({"a.zip": zipped({"zeros": bytes(30 << 20)})})


@pytest.fixture
def milter(prefix: Path, directory: Path, dns_port: int, transport: str) -> Iterator[Milter]:  # noqa: F811
    with running(prefix, directory, dns_port, transport=transport, checks=CHECKS) as milter:
        yield milter


def send(milter: Milter, *files: tuple[str, bytes]) -> Outcome:
    message = mail(*files)
    with Client(milter.socket, timeout_s=30) as mta:
        mta.connect()
        mta.helo("example.org")
        mta.mail("a@example.org")
        mta.rcpt("b@example.net")
        fields = [(field.name.encode(), field.value) for field in message.headers]
        return mta.message(fields, message.body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


def children(milter: Milter) -> list[int]:
    """The processes of the one worker that look into attachments, without those that have ended."""
    (worker,) = milter.workers()
    found = Path(f"/proc/{worker}/task").glob("*/children")
    return [pid for path in found for pid in map(int, path.read_text().split()) if is_alive(pid)]


def is_alive(pid: int) -> bool:
    """And no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_files_are_judged_and_the_mta_is_told(milter: Milter) -> None:
    assert send(milter, ("a.pdf", b"%PDF-1.4")).verdict == b"c"
    outcome = send(milter, ("a.zip", zipped({"setup.exe": PROGRAM})))
    assert outcome.reply == "550 5.7.1 Attachment a.zip/setup.exe is not allowed here"
    locked = (FILES / "locked.7z").read_bytes()
    assert send(milter, ("b.7z", locked)).quarantined == "Attachment b.7z/hello.txt is not allowed here"
    assert send(milter, ("bomb.zip", BOMB)).reply == "451 4.7.1 Too much in bomb.zip/a.zip"
    assert milter.count("attachments not inspected") == 1


def test_a_reload_leaves_no_child_of_what_it_replaces_not_even_a_zombie(milter: Milter) -> None:
    send(milter, ("a.zip", zipped({"a.txt": b"hello"})))
    (pid,) = children(milter)
    milter.process.send_signal(signal.SIGHUP)
    until(lambda: not Path(f"/proc/{pid}").exists(), "the child to be gone")
    outcome = send(milter, ("a.zip", zipped({"setup.exe": PROGRAM})))
    assert outcome.reply == "550 5.7.1 Attachment a.zip/setup.exe is not allowed here"


def test_a_child_that_is_killed_is_replaced_and_one_that_hangs_is_given_up(milter: Milter) -> None:
    send(milter, ("a.zip", BOMB))
    (pid,) = children(milter)
    os.kill(pid, signal.SIGKILL)
    assert send(milter, ("setup.exe", PROGRAM)).reply.startswith("550 5.7.1 ")
    (pid,) = children(milter)
    os.kill(pid, signal.SIGSTOP)
    assert send(milter, ("setup.exe", PROGRAM)).reply.startswith("451 4.7.1 Too much in ")
    assert send(milter, ("setup.exe", PROGRAM)).reply.startswith("550 5.7.1 ")


def test_many_messages_at_once_share_a_child(milter: Milter) -> None:
    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(lambda n: send(milter, (f"{n}.exe", b"x")), range(64)))
    assert {outcome.reply[:10] for outcome in outcomes} == {"550 5.7.1 "}
    assert len(children(milter)) == 1


def test_a_reload_counts_for_the_next_message(milter: Milter) -> None:
    assert "Too much" in send(milter, ("a.zip", BOMB)).reply
    milter.config.write_text(milter.config.read_text().replace("Too much", "Far too much"))
    milter.process.send_signal(signal.SIGHUP)
    until(lambda: "Far too much" in send(milter, ("a.zip", BOMB)).reply, "the new words")


def test_the_child_of_a_worker_that_dies_leaves(milter: Milter) -> None:
    send(milter, ("a.zip", BOMB))
    (pid,) = children(milter)
    (worker,) = milter.workers()
    os.kill(worker, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{pid}").exists(), "the child to leave")
