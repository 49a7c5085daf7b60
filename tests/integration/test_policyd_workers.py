"""Several policy processes on one socket: they count together, and the death of one is nobody's trouble for long."""

from __future__ import annotations

import os
import select
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_policyd_counting import LIMIT, storm
from tests.policyd.daemon import START_S, Daemon, running, users, workplace
from tests.redis_server import free_port

pytestmark = pytest.mark.integration


@pytest.fixture
def directory() -> Iterator[Path]:
    with workplace() as made:
        yield made


def workers(daemon: Daemon) -> list[int]:
    children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def asked(daemon: Daemon, pid: int) -> int:
    """How many requests the worker *pid* has logged."""
    return daemon.log.count(f"pid={pid} level=info event=decision")


def test_two_workers_let_exactly_as_many_pass_as_the_limit_says(directory: Path) -> None:
    with running(directory, users(f"{LIMIT}/1d"), policyd="workers = 2") as daemon:
        actions = storm([daemon.socket])
        assert len(workers(daemon)) == 2
        assert all(asked(daemon, pid) for pid in workers(daemon))
        assert daemon.stop() == 0
    assert actions.count("DUNNO") == LIMIT


def test_a_worker_that_is_killed_is_replaced_and_has_forgotten_nothing(directory: Path) -> None:
    with running(directory, users("10/1d"), policyd="workers = 2") as daemon:
        heard = [daemon.client().ask(instance=f"a.{n:x}.1.2") for n in range(6)]
        victims = workers(daemon)
        os.kill(victims[0], signal.SIGKILL)
        daemon.wait_for(lambda: len(set(workers(daemon)) - set(victims)) == 1)
        heard += [daemon.client().ask(instance=f"b.{n:x}.1.2") for n in range(8)]
        assert heard.count("DUNNO") == 10


def test_a_reload_reaches_all_workers_and_a_bad_file_none(directory: Path) -> None:
    with running(directory, users("3/1d"), policyd="workers = 2") as daemon:
        daemon.configure(users("5/1d"))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for(lambda: daemon.log.count("configuration reloaded") == 3)  # the parent, and two
        clients = [daemon.client() for _ in range(10)]
        heard = [client.ask(instance=f"a.{n:x}.1.2") for n, client in enumerate(clients)]
        assert heard.count("DUNNO") == 5
        daemon.configure(users("many/1d"))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for(lambda: "reload refused" in daemon.log)
        assert all(client.ask(instance=f"b.{n:x}.1.2") != "DUNNO" for n, client in enumerate(clients))


def test_workers_leave_when_their_parent_is_killed(directory: Path) -> None:
    with running(directory, users("3/1d"), policyd="workers = 2") as daemon:
        left = workers(daemon)
        daemon.process.kill()
        daemon.process.wait()
        deadline = time.monotonic() + START_S
        while any(Path(f"/proc/{pid}").exists() for pid in left):
            assert time.monotonic() < deadline
            select.select([], [], [], 0.01)


def test_prometheus_sees_the_sum_of_the_workers(directory: Path) -> None:
    port = free_port()
    with running(
        directory, users("100/1d"), policyd="workers = 2", metrics=f"127.0.0.1:{port}"
    ) as daemon:  # fmt: skip
        clients = [daemon.client() for _ in range(20)]
        for number, client in enumerate(clients):
            assert client.ask(instance=f"a.{number:x}.1.2") == "DUNNO"
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30).read().decode()
        counted = [line for line in page.splitlines() if line.startswith("tamis_check_results_total{")]
        assert sum(float(line.split()[-1]) for line in counted) == 20, page
        assert "tamis_policyd_connections 20.0" in page
