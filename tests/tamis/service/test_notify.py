from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tamis.service import Notifier


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        yield manager


def test_the_words_are_those_of_sd_notify(systemd: socket.socket) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": systemd.getsockname()})
    before = time.monotonic_ns() // 1000
    notifier.ready("2 listeners")
    notifier.reloading()
    notifier.status("a\nREADY=0")
    notifier.stopping()
    notifier.ping()
    said = [systemd.recv(1000).decode() for _ in range(5)]
    reloading, _, usec = said.pop(1).partition("\nMONOTONIC_USEC=")
    assert said == ["READY=1\nSTATUS=2 listeners", r"STATUS=a\nREADY=0", "STOPPING=1", "WATCHDOG=1"]
    assert reloading == "RELOADING=1"
    assert before <= int(usec) <= time.monotonic_ns() // 1000


def test_children_do_not_speak_for_us(systemd: socket.socket) -> None:
    environ = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "1000000", "PATH": "/bin"}
    notifier = Notifier.from_environment(environ)
    assert environ == {"PATH": "/bin"}
    assert notifier.watchdog_s == 0.5


@pytest.mark.parametrize(
    ("environ", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "PID"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({"WATCHDOG_USEC": "0"}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_watchdog_is_fed_at_half_its_time_or_not_at_all(
    environ: dict[str, str], watchdog_s: float
) -> None:
    environ = {name: word.replace("PID", str(os.getpid())) for name, word in environ.items()}
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": "/nowhere", **environ})
    assert notifier.watchdog_s == watchdog_s
    if not watchdog_s:
        asyncio.run(asyncio.wait_for(notifier.watch(), 30))


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@tamis-nobody", "vsock:2:1234", "relative"])
def test_without_systemd_nothing_is_said_and_nothing_fails(address: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
    notifier.ready("x")
    notifier.reloading()
    notifier.stopping()
    notifier.ping()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_manager_that_does_not_listen_stops_nobody(systemd: socket.socket) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": systemd.getsockname()})
    for _ in range(2000):  # more than its socket holds: nobody reads
        notifier.ping()
