"""kill -9 of each program at any moment while 200 messages are on their way: none is lost and none is cut.

A message may arrive twice: whoever dies between the durable delivery and its answer has the sender try again.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import smtplib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from demo import clients
from demo.daemons import HouseError, wait_for
from demo.house import House
from demo.reaper import inhabitants
from tests.integration.conftest import PASSWORD, make_house

pytestmark = pytest.mark.integration

MESSAGES = 200
SENDERS = 4
MIN_KILLS, MAX_KILLS = 3, 12
WATCH_S = 0.3
MAX_RESTARTS, RESTART_S = 5, 1.0  # contrib/systemd: RestartSec=1
GIVE_UP_S = 90.0
MEAN_GAP_S = 0.1  # long enough for some kills to fall between
PAUSE_S = (0.02, 0.4)

Kill = Callable[[House], int]
"""Kills once and returns how many processes that were."""


def kill_and_restart(name: str) -> Kill:
    def kill(house: House) -> int:
        house.kill(name)
        restart(house, name)
        return 1

    return kill


def restart(house: House, name: str) -> None:
    """As a supervisor does: again, if it ends at once."""
    for _ in range(MAX_RESTARTS):
        with suppress(HouseError):
            return house.restart(name)
        threading.Event().wait(RESTART_S)
    return house.restart(name)


def kill_parent_only(house: House) -> int:
    """Its workers find out by themselves; the new parent finds the old socket."""
    os.kill(house.daemons["milter"].pid, signal.SIGKILL)
    restart(house, "milter")
    return 1


def kill_worker(house: House) -> int:
    """The parent replaces it."""
    parent = house.daemons["milter"].pid
    return kill_one_of(list(map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())))


def kill_lda(house: House) -> int:
    """One of those that deliver right now: they live for milliseconds, so the processes that start them are watched."""
    pipes = [pid for pid in inhabitants(str(house.layout.root)) if _name(pid) == "pipe"]
    deadline = time.monotonic() + WATCH_S
    while time.monotonic() < deadline:
        for pipe in pipes:
            with suppress(OSError):
                if delivering := Path(f"/proc/{pipe}/task/{pipe}/children").read_text().split():
                    return kill_one_of(list(map(int, delivering)))
    return 0


def kill_one_of(pids: list[int]) -> int:
    with suppress(ProcessLookupError, IndexError):
        os.kill(random.choice(pids), signal.SIGKILL)
        return 1
    return 0


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


VICTIMS: dict[str, Kill] = {
    "policyd": kill_and_restart("policyd"),
    "milter": kill_parent_only,
    "worker": kill_worker,
    "lda": kill_lda,
    "lmtpd": kill_and_restart("lmtpd"),
}
CASES = [("pipe", victim) for victim in VICTIMS] + [("lmtp", "lmtpd")]


@pytest.fixture(scope="module")
def houses() -> Iterator[Callable[[str], House]]:
    """Houses that may be battered, one for each way of delivery, started when first asked for."""
    started: dict[str, House] = {}

    def get(transport: str) -> House:
        if transport not in started:
            started[transport] = make_house(lmtp=transport == "lmtp", mailboxes=tuple(VICTIMS))
            started[transport].start()
        return started[transport]

    yield get
    for house in started.values():
        house.stop()


def message(number: int) -> bytes:
    """Lines of which none is missing unnoticed."""
    lines = (hashlib.sha256(b"%d %d" % (number, line)).hexdigest() for line in range(number % 50 * 4))
    head = [f"X-Number: {number}", f"Subject: {number}", ""]
    return "\r\n".join([*head, *lines, "the end", ""]).encode()


def send_until_taken(house: House, recipient: str, numbers: range) -> None:
    """As any mail server: what is deferred, and a connection that breaks, is tried again."""
    waiting = list(numbers)
    deadline = time.monotonic() + GIVE_UP_S
    while waiting:
        assert time.monotonic() < deadline, f"messages {waiting} are not taken"
        with (
            suppress(smtplib.SMTPException, OSError),
            clients.outside(house.layout.ports.smtp, "192.0.2.10", "mail.outside.example") as client,
        ):
            while waiting:
                reply = clients.send(client, "carol@outside.example", recipient, message(waiting[0]))
                assert reply.code < 500, reply
                if reply.code != 250:
                    break
                del waiting[0]
                threading.Event().wait(random.uniform(0, 2 * MEAN_GAP_S))


@pytest.mark.parametrize(("transport", "victim"), CASES, ids=lambda value: value)
def test_no_message_is_lost_or_cut(
    transport: str,
    victim: str,
    houses: Callable[[str], House],
    capsys: pytest.CaptureFixture[str],
) -> None:
    house = houses(transport)
    recipient = f"{victim}@example.org"
    kills = 0
    chance = threading.Event()
    with ThreadPoolExecutor(SENDERS) as pool:
        sending: list[Future[None]] = [
            pool.submit(send_until_taken, house, recipient, range(start, MESSAGES, SENDERS))
            for start in range(SENDERS)
        ]
        while kills < MAX_KILLS and (house.queue() or not all(future.done() for future in sending)):
            chance.wait(random.uniform(*PAUSE_S))
            kills += VICTIMS[victim](house)
            if all(future.done() for future in sending):
                house.flush()
        for future in sending:
            future.result()
    wait_for("the queue to drain", lambda: _drained(house), 60)
    with clients.imap(house.layout.ports, recipient, PASSWORD) as client:
        found = Counter(_checked(raw) for raw in clients.messages(client, "INBOX"))
    with capsys.disabled():
        print(f" [{kills} kills, {found.total() - len(found)} duplicates]", end=" ")
    assert kills >= MIN_KILLS
    assert set(found) == set(range(MESSAGES))


def _drained(house: House) -> bool:
    """What came back while its first attempt was still being written down would wait for a minute."""
    house.flush()
    return not house.queue()


def _checked(raw: bytes) -> int:
    """The number of a message that is whole."""
    match = re.search(rb"(?m)^X-Number: (\d+)\r$", raw)
    assert match, raw[:300]
    number = int(match[1])
    assert raw.endswith(message(number)), f"message {number} is cut"
    return number
