"""A policy daemon's life as a process: start, reload, trouble with the store, the end, and death."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.policyd.daemon import Daemon, running, users, workplace
from tests.policyd.requests import attributes
from tests.redis_server import RedisServer, free_port, redis_server

pytestmark = pytest.mark.integration

REFUSED = "reload refused, the old configuration stays"
OBEYED = "configuration reloaded"


@pytest.fixture
def directory() -> Iterator[Path]:
    with workplace() as made:
        yield made


@pytest.fixture
def redis(directory: Path) -> Iterator[RedisServer]:
    with redis_server(directory, "--unixsocketperm", "777") as server:
        yield server


def passing(daemon: Daemon, tag: str, most: int = 20) -> int:
    """How many messages of one user pass now; *tag* makes their instances unique."""
    client = daemon.client()
    return [client.ask(instance=f"{tag}.1.2.{n:x}") for n in range(most)].count("DUNNO")


def test_a_reload_brings_new_limits_and_a_bad_file_keeps_the_old(directory: Path) -> None:
    with running(directory, users("3/1d")) as daemon:
        client = daemon.client()
        assert passing(daemon, "a") == 3
        daemon.reload(users("7/1d"), OBEYED)
        assert passing(daemon, "b") == 7
        daemon.reload(users("many/1d") + 'reply = "450"\nkye = ["sender"]', REFUSED)
        assert passing(daemon, "c") == 0
        assert client.ask(sasl_username="other@example.org", instance="d.1.2.3") == "DUNNO"
        problems = [line for line in daemon.log.splitlines() if "configuration problem" in line]
        for key in ("users.limits", "users.reply", "users.kye"):
            assert any(f"policyd.checks.{key}: " in line for line in problems), key
        daemon.reload(users("8/1d"), OBEYED)
        assert passing(daemon, "e") == 8


def test_a_reload_that_changes_another_table_keeps_the_counters(directory: Path) -> None:
    with running(directory, users("5/1d")) as daemon:
        assert passing(daemon, "a", 3) == 3
        daemon.reload(users("5/1d") + 'reply = "REJECT 5.7.1 That was enough"', OBEYED)
        assert passing(daemon, "b") == 2
        assert daemon.client().ask(instance="c.1.2.3") == "REJECT 5.7.1 That was enough"


def test_a_reload_leaves_no_connection_of_tables_behind(directory: Path, redis: RedisServer) -> None:
    """Those of Redis are counted by the server, those of SQLite by the descriptors of the daemon."""
    redis.cli("HSET", "access", "elsewhere.example", "REJECT no")
    (directory / "redis.toml").write_text(f'url = "{redis.url}"\nhash = "access"\n')
    with sqlite3.connect(directory / "x.db") as db:
        db.execute("CREATE TABLE access (k TEXT, v TEXT)")
    query = "SELECT k, v FROM access WHERE k IN :keys"
    (directory / "sql.toml").write_text(f'url = "sqlite:///{directory}/x.db"\nquery = "{query}"\n')
    for name in ("redis.toml", "sql.toml", "x.db"):
        (directory / name).chmod(0o644)
    specs = f'"redis:{directory}/redis.toml", "sql:{directory}/sql.toml"'
    checks = f"""
        [policyd.checks.access]
        of = "sender"
        tables = [{specs}]
        [policyd.checks.users]
        check = "ratelimit"
        limits = ["100/1d"]
        tables = [{specs}]
        [policyd.checks.sender_login]
        logins = [{specs}]
        mismatch = "pass"
        [policyd.checks.lists]
        policies = [{specs}]
        [policyd.checks.greylist]
        recipient_tables = [{specs}]
        providers = []
        """

    def held(daemon: Daemon) -> tuple[int, int]:
        links = []
        for one in Path(f"/proc/{daemon.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                links.append(str(one.readlink()))
        clients = redis.cli("CLIENT", "LIST").splitlines()
        return len(clients) - 1, sum(link == f"{directory}/x.db" for link in links)

    with running(directory, checks) as daemon:
        client = daemon.client()
        for number in range(4):
            assert client.ask(instance=f"{number}.1.2.3", sender="info@example.org") == "DUNNO"
            assert "Greylisted" in client.ask(instance=f"{number}.1.2.4", sasl_username="")
            daemon.wait_for(lambda: held(daemon)[0] == 5)
            assert 0 < held(daemon)[1] <= 10
            daemon.reload(checks, OBEYED)
            daemon.wait_for(lambda: held(daemon) == (0, 0))
        assert daemon.stop() == 0


def test_a_reload_may_change_the_store(directory: Path) -> None:
    with running(directory, users("5/1d")) as daemon:
        assert passing(daemon, "a") == 5
        daemon.store = f'url = "sqlite://{directory}/other.db"'
        daemon.reload(users("5/1d"), OBEYED)
        assert passing(daemon, "b") == 5
        assert daemon.stop() == 0


def test_what_a_reload_cannot_change_is_said(directory: Path) -> None:
    with running(directory, users("5/1d")) as daemon:
        daemon.policyd = "connections = 77"
        daemon.reload(users("5/1d"), OBEYED)
        assert 'event="a changed option waits for a restart" option=policyd.connections' in daemon.log


def test_requests_under_way_do_not_notice_a_reload(directory: Path) -> None:
    with running(directory, users("100000/1d")) as daemon:
        client = daemon.client()
        for round_ in range(5):
            daemon.configure(users(f"{100001 + round_}/1d"))
            daemon.process.send_signal(signal.SIGHUP)
            actions = {client.ask(instance=f"{round_}.1.2.{n:x}") for n in range(100)}
            assert actions == {"DUNNO"}


def test_requests_are_answered_while_a_reload_still_reads_its_tables(directory: Path) -> None:
    """Large ones take seconds; here it is a pipe that nobody has written to yet."""
    slow = directory / "senders"
    os.mkfifo(slow)
    slow.chmod(0o644)
    table = f'[policyd.checks.blocked]\ncheck = "access"\nof = "sender"\ntables = ["texthash:{slow}"]\n'
    with running(directory, users("10/1d")) as daemon:
        client = daemon.client()
        daemon.configure(table + users("10/1d"))
        daemon.process.send_signal(signal.SIGHUP)
        with slow.open("w") as writer:  # opens when the daemon reads
            assert client.ask(instance="a.1.2.3", sender="bad@example.net") == "DUNNO"
            writer.write("bad@example.net REJECT no\n")
        daemon.wait_for(lambda: OBEYED in daemon.log)
        assert client.ask(instance="b.1.2.3", sender="bad@example.net") == "REJECT 5.7.1 no"
        daemon.process.send_signal(signal.SIGHUP)
        with slow.open("w"):
            assert daemon.stop() == 0  # whatever it still reads


def test_the_end_answers_what_was_asked(directory: Path, redis: RedisServer) -> None:
    """SIGTERM while the store is slow: the answer still comes, and the exit is clean."""
    with running(directory, users("5/1d"), f'url = "{redis.url}"\ntimeout = "10s"') as daemon:
        idle, busy = daemon.client(), daemon.client()
        assert idle.ask(instance="a.1.2.3") == "DUNNO"
        redis.freeze()
        busy.say(attributes(instance="b.1.2.3"))
        daemon.process.send_signal(signal.SIGTERM)
        daemon.wait_for(lambda: "event=stopping" in daemon.log)
        with pytest.raises(EOFError):
            idle.hear()
        redis.thaw()
        assert busy.hear() == "DUNNO"
        assert daemon.process.wait(20) == 0


@pytest.mark.parametrize(("on_error", "word"), [("pass", "DUNNO"), ("defer", "DEFER_IF_PERMIT")])
def test_a_frozen_store_delays_no_answer_beyond_its_timeout(
    directory: Path, redis: RedisServer, on_error: str, word: str
) -> None:
    checks = users("5/1d") + f'on_error = "{on_error}"'
    store = f'url = "{redis.url}"\ntimeout = "500ms"'
    with running(directory, checks, store, 'deadline = "90s"') as daemon:
        client = daemon.client()
        assert client.ask(instance="a.1.2.3") == "DUNNO"
        redis.freeze()
        assert client.ask(instance="b.1.2.3").split()[0] == word
        redis.thaw()
        daemon.wait_for(lambda: client.ask(instance="c.1.2.3") == "DUNNO")


def test_a_killed_daemon_comes_back_on_its_socket_and_has_forgotten_nothing(directory: Path) -> None:
    """What was answered is on record, and so is that it was answered."""
    with running(directory, users("5/1d")) as daemon:
        assert passing(daemon, "a", 3) == 3
        for _ in range(3):
            assert daemon.stop(signal.SIGKILL) == -signal.SIGKILL
            assert daemon.socket.exists()
            daemon.start()
            assert daemon.client().ask(instance="a.1.2.2") == "DUNNO"
        assert passing(daemon, "b") == 2


def test_two_do_not_serve_one_socket(directory: Path) -> None:
    with running(directory, users("5/1d")) as daemon:
        second = subprocess.run(daemon.command(), capture_output=True, text=True, timeout=20, check=False)
        assert second.returncode == 78
        assert "another server answers there" in second.stderr
        assert passing(daemon, "a") == 5


def test_a_bad_configuration_is_refused_with_all_its_problems_before_anything_opens(directory: Path) -> None:
    daemon = Daemon(directory, "", policyd='deadline = "5"\nconections = 3')
    daemon.configure(users("x/1h") + 'reply = "451"\naction = "no"')
    ended = subprocess.run(daemon.command(), capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 78
    lines = ended.stderr.splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        "policyd.deadline",
        "policyd.conections",
        "policyd.checks.users.limits",
        "policyd.checks.users.reply",
        "policyd.checks.users.action",
    ]
    assert all(line.startswith(f"{daemon.config}:") for line in lines)
    assert [path.name for path in directory.iterdir()] == ["policyd.toml"]


def test_a_store_that_cannot_be_is_refused_before_a_listener_opens(directory: Path) -> None:
    daemon = Daemon(directory, "", store='url = "sqlite:///nowhere/at/all/state.db"')
    daemon.configure(users("5/1h"))
    ended = subprocess.run(daemon.command(), capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 78
    assert "store.url" in ended.stderr
    assert not daemon.socket.exists()


def test_many_idle_peers_cost_the_others_nothing(directory: Path) -> None:
    with running(directory, users("5/1d")) as daemon:
        crowd = [daemon.client() for _ in range(400)]
        assert passing(daemon, "a") == 5
        assert crowd[0].ask(protocol_state="MAIL") == "DUNNO"
        assert crowd[-1].ask(protocol_state="MAIL") == "DUNNO"


def test_prometheus_sees_what_was_decided(directory: Path) -> None:
    port = free_port()
    with running(directory, users("2/1d")) as daemon:
        daemon.stop()
        text = daemon.config.read_text().replace('metrics = ""', f'metrics = "127.0.0.1:{port}"')
        daemon.config.write_text(text)
        log = (directory / "second.log").open("wb")
        with log, subprocess.Popen(daemon.command(), stderr=log) as process:
            try:
                daemon.process = process
                daemon.wait_for(lambda: b"event=ready" in (directory / "second.log").read_bytes())
                assert passing(daemon, "a", 5) == 2
                daemon.client().ask(protocol_state="AUTH")
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
                    page = reply.read().decode()
            finally:
                process.terminate()
    for line in (
        'tamis_decisions_total{program="policyd",stage="RCPT",verdict="pass"} 2.0',
        'tamis_decisions_total{program="policyd",stage="RCPT",verdict="defer"} 3.0',
        'tamis_check_results_total{check="users",obeyed="yes",program="policyd",verdict="defer"} 3.0',
        'tamis_policyd_unknown_requests_total{reason="state"} 1.0',
        "tamis_policyd_connections 2.0",
    ):
        assert line in page
