"""Two policy daemons on one Redis Cluster of three masters, of which one is killed while they are asked.

What is declared (docs/store.md): the keys of the other masters are counted exactly all the time. Those of the dead one
fail, and `on_error` decides, until a replica is master; Redis copies to replicas behind its answer, so what it said in
its last moment may be forgotten: no more than was in flight.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.policyd.daemon import Client, running, users, workplace
from tests.redis_server import Cluster, redis_cluster

pytestmark = pytest.mark.integration

LIMIT = 60
USERS = [
    f"{name}@example.org"
    for name in ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan")
]
PEERS = 2  # of each user, one at each daemon
KILL_AFTER = len(USERS) * LIMIT // 3
TIMEOUT_S = 2.0
PATIENCE_S = 60.0
PARTIAL = ("--cluster-require-full-coverage", "no")


@pytest.fixture
def directory() -> Iterator[Path]:
    with workplace() as made:
        yield made


class Storm:
    """Every user asks by several peers at once until the limit is reached, or for *failures_s* in vain."""

    def __init__(self, sockets: list[Path], failures_s: float) -> None:
        self.passed: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._failures_s = failures_s
        self._lock = threading.Lock()
        self.enough = threading.Event()  # has passed: the moment for the murder
        self._threads = [
            threading.Thread(target=self._peer, args=(sockets[peer % len(sockets)], name, peer))
            for name in USERS
            for peer in range(PEERS)
        ]
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        for thread in self._threads:
            thread.join()

    def _peer(self, path: Path, name: str, peer: int) -> None:
        client, number, failing_since = Client(path), 0, 0.0
        while True:
            action = client.ask(sasl_username=name, instance=f"{peer}.{number:x}.0.0")
            now = time.monotonic()
            with self._lock:
                self.passed[name] += action == "DUNNO"
                self.failed[name] += not (action == "DUNNO" or "Limit of" in action)
                if self.passed.total() >= KILL_AFTER:
                    self.enough.set()
            if "Limit of" in action:
                break
            if action == "DUNNO":
                number, failing_since = number + 1, 0.0
            elif (failing_since := failing_since or now) < now - self._failures_s:  # the same request again
                break
        client.close()


def storm(directory: Path, cluster: Cluster, failures_s: float) -> tuple[Storm, set[str]]:
    """A storm in which the third master dies, and the users whose counters it has."""
    store = f'url = "{cluster.url}"\ntimeout = "{round(TIMEOUT_S * 1000)}ms"'
    victim = cluster.masters[2]
    with ExitStack() as stack:
        daemons = [
            stack.enter_context(running(directory, users(f"{LIMIT}/1d"), store, name=f"policyd{number}"))
            for number in range(2)
        ]
        blowing = Storm([daemon.socket for daemon in daemons], failures_s)
        assert blowing.enough.wait(PATIENCE_S)
        keys = victim.cli("KEYS", "*")
        victim.kill()
        blowing.wait()
    harmed = {name for name in USERS if name in keys}
    assert harmed
    assert len(harmed) < len(USERS)
    for name in set(USERS) - harmed:
        assert (blowing.passed[name], blowing.failed[name]) == (LIMIT, 0)
    return blowing, harmed


def test_without_replicas_the_keys_of_a_dead_master_fail_and_no_others(directory: Path) -> None:
    with redis_cluster(directory, options=PARTIAL) as cluster:
        blowing, harmed = storm(directory, cluster, 1.0)
    for name in harmed:
        assert blowing.passed[name] <= LIMIT
        assert blowing.failed[name] > 0 or blowing.passed[name] == LIMIT
    assert any(blowing.failed[name] for name in harmed)


def test_with_replicas_counting_goes_on_and_forgets_no_more_than_was_in_flight(directory: Path) -> None:
    with redis_cluster(directory, replicas=True, options=PARTIAL) as cluster:
        blowing, harmed = storm(directory, cluster, PATIENCE_S)
    for name in harmed:
        assert LIMIT <= blowing.passed[name] <= LIMIT + PEERS
