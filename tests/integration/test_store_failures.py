"""Redis stopped, frozen, emptied and failed over: tamis-policyd answers in time, and as `on_error` says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.policyd.daemon import Daemon, running, users, workplace
from tests.redis_server import RedisServer, Sentinels, free_port, redis_sentinels, redis_server, wait_for

pytestmark = pytest.mark.integration

POLICIES = {"pass": "DUNNO", "defer": "DEFER_IF_PERMIT 4.3.0 "}


@pytest.fixture
def directory() -> Iterator[Path]:
    with workplace() as made:
        yield made


@contextmanager
def redis_by(kind: str, directory: Path) -> Iterator[tuple[str, RedisServer, Sentinels | None]]:
    """A store's URL, the server that has the counters, and its Sentinels if it has some."""
    if kind == "sentinel":
        with redis_sentinels(directory) as sentinels:
            yield sentinels.url, sentinels.master, sentinels
    else:
        port = free_port()
        with redis_server(directory, "--port", str(port), "--bind", "127.0.0.1") as server:
            yield f"redis://127.0.0.1:{port}", server, None


@contextmanager
def daemon_at(directory: Path, url: str, on_error: str) -> Iterator[Daemon]:
    """Five an hour for each user. Where the store keeps silent its timeout is what ends the wait, and nothing else."""
    checks = users("5/1h") + f'on_error = "{on_error}"\n'
    store = f'url = "{url}"\ntimeout = "500ms"'
    with running(directory, checks, store, 'deadline = "90s"') as daemon:
        yield daemon


def asked(daemon: Daemon, tag: str, times: int) -> list[str]:
    """What so many messages of one user are answered."""
    client = daemon.client()
    return [client.ask(instance=f"{tag}.{number:x}.0.0") for number in range(times)]


def refused(action: str) -> bool:
    return "Limit of 5/1h reached" in action


@pytest.mark.parametrize("on_error", POLICIES)
@pytest.mark.parametrize("harm", ["stopped", "frozen"])
@pytest.mark.parametrize("kind", ["single", "sentinel"])
def test_while_it_is_away_the_declared_policy_holds(
    directory: Path, kind: str, harm: str, on_error: str
) -> None:
    """Of one server, and of a master whose Sentinels have not noticed yet or have nobody to put in its place."""
    with redis_by(kind, directory) as (url, server, sentinels), daemon_at(directory, url, on_error) as daemon:
        if sentinels is not None:
            sentinels.replica.kill()
        assert asked(daemon, "before", 2) == ["DUNNO"] * 2
        if harm == "stopped":
            server.kill()
        else:
            server.freeze()
        assert all(action.startswith(POLICIES[on_error]) for action in asked(daemon, "away", 4))
        if harm == "stopped":
            server.start()  # without a file: it remembers nothing
        else:
            server.thaw()
        wait_for(lambda: any(map(refused, asked(daemon, "after", 6))))


@pytest.mark.parametrize("kind", ["single", "sentinel"])
def test_emptied_it_counts_from_the_start(directory: Path, kind: str) -> None:
    """FLUSHALL, SCRIPT FLUSH: no request fails."""
    with redis_by(kind, directory) as (url, server, _), daemon_at(directory, url, "defer") as daemon:
        for tag in ("first", "second"):
            actions = asked(daemon, tag, 6)
            assert actions[:5] == ["DUNNO"] * 5
            assert refused(actions[5])
            server.cli("FLUSHALL")
            server.cli("SCRIPT", "FLUSH")


def offsets(server: RedisServer) -> str:
    lines = server.cli("INFO", "replication").splitlines()
    return next(line for line in lines if line.startswith("master_repl_offset:"))


@pytest.mark.parametrize("harm", ["killed", "frozen", "told to"])
def test_failed_over_it_counts_on(directory: Path, harm: str) -> None:
    """What the replica had is not forgotten; what the old master hears when it wakes up is nothing."""
    with redis_by("sentinel", directory) as (url, server, sentinels):
        assert sentinels is not None
        with daemon_at(directory, url, "defer") as daemon:
            assert asked(daemon, "before", 3) == ["DUNNO"] * 3
            wait_for(lambda: offsets(server) == offsets(sentinels.replica))
            if harm == "killed":
                server.kill()
            elif harm == "frozen":
                server.freeze()
            else:
                sentinels.watchers[0].cli("SENTINEL", "FAILOVER", "mymaster")
            sentinels.fail_over()
            wait_for(lambda: asked(daemon, "after", 1) == ["DUNNO"])  # the same request: counted once
            if harm == "frozen":
                server.thaw()
            actions = asked(daemon, "last", 2)
            assert actions[0] == "DUNNO"
            assert refused(actions[1])
