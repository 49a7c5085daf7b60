"""What only Redis can suffer: servers that freeze, die, forget, refuse, or are somebody else's."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tamis.config.schema import Duration, Secret
from tamis.errors import TempFail
from tamis.store import Store, Window, open_store
from tamis.store.accounts import Sighting
from tamis.store.config import StoreConfig
from tamis.store.redis_batches import LANES, MAX_BATCH
from tests.redis_server import RedisServer, free_port, redis_sentinels, redis_server
from tests.tamis.store.conftest import LOOPS, Backend

pytestmark = pytest.mark.integration

NOW = 1_763_974_800.25
LIMIT = (Window(1000, 3600.0), Window(5000, 86400.0))
TIMEOUT_S = 1.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that a test may harm."""
    with redis_server(tmp_path) as running:
        yield running


@pytest.fixture(params=LOOPS)
def backend(server: RedisServer, request: pytest.FixtureRequest) -> Backend:
    config = StoreConfig(url=server.url, timeout=Duration(TIMEOUT_S))
    return Backend(config, LOOPS[request.param])


async def charge(store: Store) -> int:
    return (await store.charge("u", LIMIT, 1, NOW)).remaining


async def failure(store: Store) -> str:
    """The sentence with which a charge fails."""
    with pytest.raises(TempFail, match=r"^4\.3\.0 State store .*, try again later$") as caught:
        await charge(store)
    return caught.value.text.removeprefix("State store ").removesuffix(", try again later")


def test_a_frozen_server_costs_the_timeout_and_recovers(server: RedisServer, backend: Backend) -> None:
    async def story(store: Store) -> None:
        await charge(store)
        server.freeze()
        calls = [failure(store) for _ in range(3 * LANES * MAX_BATCH)]  # the last ones are never even sent
        assert set(await asyncio.gather(*calls)) == {"does not answer in time"}
        assert await failure(store) == "does not answer in time"  # now while connecting
        server.thaw()
        assert await charge(store) < 999

    backend.play(story)


def test_a_server_that_stumbles_for_less_than_the_timeout_fails_nobody(
    server: RedisServer, backend: Backend
) -> None:

    async def story(store: Store) -> None:
        await charge(store)
        server.freeze()
        early = asyncio.ensure_future(charge(store))
        asyncio.get_running_loop().call_later(0.25, server.thaw)
        assert await early == 998

    backend.patient(20.0).play(story)


def test_who_is_in_time_is_not_failed_by_those_who_were_not(server: RedisServer, backend: Backend) -> None:
    """A request made in the second half of a stall that was too long for others is answered."""

    async def story(store: Store) -> None:
        await charge(store)
        server.freeze()
        early = asyncio.ensure_future(failure_at_ease(store))
        late = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(
            1.5, lambda: late.set_result(asyncio.ensure_future(charge(store)))
        )
        assert await early == "does not answer in time"
        server.thaw()
        assert await (await late) <= 998  # the early one may have been charged

    backend.patient(2.0).play(story)


def test_callers_who_go_away_while_the_server_stumbles(server: RedisServer, backend: Backend) -> None:
    """The others in their batches get their own answers, and so do those who come after them."""

    async def story(store: Store) -> None:
        await charge(store)
        server.freeze()
        calls = [asyncio.ensure_future(store.first_seen(f"{n}", NOW + n, 1e6)) for n in range(100)]
        for _ in range(5):
            await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        server.thaw()
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert done[1::2] == [NOW + n for n in range(100)][1::2]
        assert await charge(store) == 998
        assert await store.first_seen("100", NOW + 100, 1e6) == NOW + 100

    backend.patient(10.0).play(story)


def test_a_connection_closed_while_nobody_asks_is_replaced(server: RedisServer, backend: Backend) -> None:
    """As servers do with ``timeout 300``, and firewalls."""

    async def story(store: Store) -> None:
        await charge(store)
        server.cli("CLIENT", "KILL", "TYPE", "normal")
        for _ in range(3):
            await asyncio.sleep(0)  # the loop had time to hear of it
        assert await charge(store) == 998

    backend.play(story)


def test_a_server_that_died_is_a_failure_at_once_and_its_successor_is_used(
    server: RedisServer, backend: Backend
) -> None:
    async def story(store: Store) -> None:
        await charge(store)
        server.freeze()
        waiting = asyncio.ensure_future(failure(store))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        server.kill()
        assert await waiting == "closed the connection"
        assert await failure(store) == "cannot be reached (Connection refused)"
        server.start()
        assert await charge(store) == 999

    backend.patient(10.0).play(story)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        assert await failure(store) == "cannot be reached (No such file or directory)"

    Backend(StoreConfig(url=f"unix://{tmp_path}/none")).play(story)


def test_forgotten_scripts_are_sent_again(server: RedisServer, backend: Backend) -> None:
    async def story(store: Store) -> None:
        for left in (999, 998):
            server.cli("SCRIPT", "FLUSH")
            assert await charge(store) == left
            assert await store.first_seen("k", NOW, 60.0) == NOW

    backend.play(story)


def test_a_server_out_of_memory_charges_nothing(server: RedisServer, backend: Backend) -> None:
    async def story(store: Store) -> None:
        await charge(store)
        server.cli("CONFIG", "SET", "maxmemory", "1")
        assert await failure(store) == "is out of memory"
        server.cli("CONFIG", "SET", "maxmemory", "0")
        assert await charge(store) == 998

    backend.play(story)


def test_a_master_that_became_a_replica(server: RedisServer, backend: Backend) -> None:
    async def story(store: Store) -> None:
        await charge(store)
        server.cli("REPLICAOF", "127.0.0.1", "1")
        assert await failure(store) == "is a read-only replica"
        server.cli("REPLICAOF", "NO", "ONE")
        assert await charge(store) == 998

    backend.play(story)


def test_a_key_of_another_kind_is_a_failure_and_no_crash(server: RedisServer, backend: Backend) -> None:
    async def story(store: Store) -> None:
        await charge(store)
        (key,) = server.cli("KEYS", "*w1000/*").split()
        server.cli("SET", key, "not ours")
        assert await failure(store) == "refused the request"

    backend.play(story)


def test_password_user_and_database(tmp_path: Path) -> None:
    least = ("~tamis:*", "+evalsha", "+eval", "+mget", "+get", "+set")
    options = ("--requirepass", "se cret", "--user", "tamis", "on", ">word", *least)
    with redis_server(tmp_path, *options) as server:
        config = StoreConfig(url=server.url, timeout=Duration(5.0))

        def says(url: str, password: str) -> str:
            here = Backend(replace(config, url=url, password=Secret(password) if password else None))
            return here.play(failure_at_ease)

        assert says(server.url, "") == "wants a password"
        assert says(server.url, "wrong") == "does not accept our password"
        assert says(f"unix://tamis@{server.socket}?db=3", "word") == "does not permit our user to do this"
        for url, password in ((server.url, "se cret"), (f"unix://tamis:word@{server.socket}", "")):
            backend = Backend(replace(config, url=url, password=Secret(password) if password else None))
            assert backend.play(charge) >= 998
        third = Backend(replace(config, url=f"{server.url}?db=3", password=Secret("se cret")))
        assert third.play(charge) == 999
        assert server.cli("-a", "se cret", "--no-auth-warning", "-n", "3", "DBSIZE") == "2"


async def failure_at_ease(store: Store) -> str:
    with pytest.raises(TempFail) as caught:
        await charge(store)
    return caught.value.text.removeprefix("State store ").removesuffix(", try again later")


def test_a_database_that_does_not_exist(server: RedisServer) -> None:
    config = StoreConfig(url=f"{server.url}?db=99", timeout=Duration(5.0))
    assert Backend(config).play(failure_at_ease) == "refused the request"


def test_what_is_asked_at_once_takes_few_round_trips(server: RedisServer, backend: Backend) -> None:
    async def story(store: Store) -> None:
        await charge(store)
        await store.first_seen("k", NOW, 60.0)
        server.cli("CONFIG", "RESETSTAT")
        charges = (store.charge("u", LIMIT, 1, NOW, f"{n}") for n in range(100))
        await asyncio.gather(*charges, *(store.first_seen(f"{n}", NOW, 60.0) for n in range(100)))

    backend.patient(10.0).play(story)
    info = dict(line.split(":", 1) for line in server.cli("INFO", "everything").split() if ":" in line)
    assert info["cmdstat_evalsha"].startswith("calls=200,")
    assert int(info["total_connections_received"]) <= LANES  # one is redis-cli's, one was there
    assert int(info["total_reads_processed"]) < 60


@pytest.fixture
def leftovers() -> Iterator[None]:
    """What a loop that has ended left open can only be collected, and Python warns of it."""
    yield
    gc.collect()


@pytest.mark.usefixtures("leftovers")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_one_store_on_one_loop_after_another(server: RedisServer) -> None:
    store = open_store(StoreConfig(url=server.url, timeout=Duration(10.0)))
    for left, loop in zip((999, 998, 997, 996), [*LOOPS.values()] * 2, strict=True):
        with asyncio.Runner(loop_factory=loop) as runner:
            assert runner.run(charge(store)) == left
    asyncio.run(store.close())


@pytest.mark.usefixtures("leftovers")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_store_opened_and_used_before_a_fork(server: RedisServer) -> None:
    """Parent and child each go on with connections of their own."""
    store = open_store(StoreConfig(url=server.url, timeout=Duration(10.0)))
    assert asyncio.run(charge(store)) == 999
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if asyncio.run(charge(store)) < 999 else 1)
        finally:
            os._exit(2)
    assert asyncio.run(charge(store)) < 999
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert asyncio.run(charge(store)) == 996
    asyncio.run(store.close())


def test_every_key_ends(server: RedisServer, backend: Backend) -> None:
    """A bucket that is empty again, an answer after its time and a sight after its life are forgotten."""

    async def story(store: Store) -> None:
        await store.charge("u", (Window(10, 100.0), Window(100, 100.0)), 10, NOW, "once")
        await store.first_seen("k", NOW, 1000.0)

    backend.play(story)
    lives = {key: int(server.cli("PTTL", key)) for key in server.cli("KEYS", "*").split()}
    ends_s = sorted(round(life / 1000) for life in lives.values())
    assert ends_s == [60 + 10, 60 + 100, 60 + 300, 60 + 1000]  # and a minute for clocks that differ


def test_a_limit_takes_little_memory(server: RedisServer, backend: Backend) -> None:
    async def story(store: Store) -> None:
        await store.charge("somebody@example.org", LIMIT, 1, NOW)

    backend.play(story)
    for key in server.cli("KEYS", "*").split():
        assert int(server.cli("MEMORY", "USAGE", key)) <= 160


@contextmanager
def impostor(path: Path, *replies: bytes) -> Iterator[str]:
    """A server that lets each connection greet it, answers what is asked then with the next of *replies*, and
    hangs up on whoever was told the last one."""

    def serve(listener: socket.socket) -> None:
        for reply in replies:
            peer, _ = listener.accept()
            with peer:
                while b"EVAL" not in (data := peer.recv(65536)):
                    peer.sendall(b"+OK\r\n" * data.count(b"CLIENT\r\n"))
                peer.sendall(reply)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(20.0)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"unix://{path}"
        thread.join()


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "is still loading its data"),
        (b"-BUSY Redis is busy running a script.\r\n", "is busy with a script"),
        (b"-MISCONF Redis is configured to save RDB snapshots\r\n", "cannot save its data"),
        (b"-NOREPLICAS Not enough good replicas to write.\r\n", "has too few replicas"),
        (b"-MASTERDOWN Link with MASTER is down\r\n", "has lost its master"),
        (b"-CLUSTERDOWN The cluster is down\r\n", "is a cluster that is down"),
        (b"-MOVED 3999 127.0.0.1:6381\r\n", "is a cluster, and a redis:// URL names one server"),
        (b"-ERR \x1b]0;rm -rf\x07\r\n", "refused the request"),
        (b"-\r\n", "refused the request"),
        (b":1\r\n", "gave an answer that we do not understand"),
        (b"$-1\r\n", "gave an answer that we do not understand"),
        (b"$5\r\nhello\r\n", "gave an answer that we do not understand"),
        (b"$9\r\n0 1 2 3 x\r\n", "gave an answer that we do not understand"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak the Redis protocol"),
        (b"\xff" * 100_000, "does not speak the Redis protocol"),
        (b"*3\r\n:0\r\n:1\r\n:2\r\n", "gave an answer that we do not understand"),
        (b"+0 1 2 x\r\n", "gave an answer that we do not understand"),
        (b"$x\r\n", "does not speak the Redis protocol"),
        (b"*1\r\n" * 20_000, "does not speak the Redis protocol"),
        (b"", "closed the connection"),
        (b"$9\r\n0 1 2", "closed the connection"),
    ],
)
def test_what_a_server_may_answer(tmp_path: Path, reply: bytes, sentence: str) -> None:
    """Each is a temporary failure with a sentence of ours, none of the server's bytes in it."""
    with impostor(tmp_path / "s", reply) as url:
        backend = Backend(StoreConfig(url=url, timeout=Duration(10.0)))
        assert backend.play(failure_at_ease) == sentence


@pytest.mark.parametrize("reply", [b"-MOVED\r\n", b"-MOVED to another\r\n", b"-ASK x y z\r\n", b"$-7\r\n"])
def test_what_no_server_should_answer(tmp_path: Path, reply: bytes) -> None:
    """Versions of the library differ here; the sentence is one of ours all the same."""
    with impostor(tmp_path / "s", reply) as url:
        sentence = Backend(StoreConfig(url=url, timeout=Duration(10.0))).play(failure_at_ease)
    assert sentence in {
        "does not speak the Redis protocol",
        "is a cluster, and a redis:// URL names one server",
        "refused the request",
        "gave an answer that we do not understand",
        "closed the connection",
    }


def test_an_answer_nobody_asked_for_is_nobodys_answer(tmp_path: Path) -> None:
    async def story(store: Store) -> list[int]:
        return [await charge(store) for _ in range(2)]

    surplus, own = b"$9\r\n0 1 7 0 0\r\n$9\r\n0 1 8 0 0\r\n", b"$9\r\n0 1 5 0 0\r\n"
    with impostor(tmp_path / "s", surplus, own) as url:
        assert Backend(StoreConfig(url=url, timeout=Duration(10.0))).play(story) == [7, 5]


def test_over_tcp_too(tmp_path: Path) -> None:
    port = free_port()
    config = StoreConfig(url=f"redis://127.0.0.1:{port}/1", timeout=Duration(5.0))
    backends = [Backend(config, loop) for loop in LOOPS.values()]
    with redis_server(tmp_path, "--port", str(port), "--bind", "127.0.0.1"):
        assert [backend.play(charge) for backend in backends] == [999, 998]
    sentences = {backend.play(failure_at_ease) for backend in backends}
    assert sentences == {"cannot be reached (Connection refused)"}


def test_a_host_that_has_no_address() -> None:
    for url in ("redis://no.such.host.invalid", f"redis://{'x' * 70}.invalid"):
        for loop in LOOPS.values():
            sentence = Backend(StoreConfig(url=url, timeout=Duration(20.0)), loop).play(failure_at_ease)
            assert sentence in {
                "cannot be reached (its name was not found)",
                "cannot be reached (connection failed)",
            }


def test_over_tls_only_with_a_certificate_that_we_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, key, certificate = free_port(), tmp_path / "key.pem", tmp_path / "certificate.pem"
    openssl = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    openssl += ["-keyout", str(key), "-out", str(certificate)]
    openssl += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(openssl, check=True, capture_output=True)
    options = ["--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    config = StoreConfig(url=f"rediss://localhost:{port}", timeout=Duration(10.0))
    backends = [Backend(config, loop) for loop in LOOPS.values()]
    with redis_server(tmp_path, *options, "--tls-auth-clients", "no", "--bind", "127.0.0.1"):
        strangers = {backend.play(failure_at_ease) for backend in backends}
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert [backend.play(charge) for backend in backends] == [999, 998]
    assert strangers == {"cannot be reached (TLS failed)"}


def test_an_account_takes_bounded_memory_and_every_key_of_it_ends(
    server: RedisServer, backend: Backend
) -> None:
    """The largest set: 1,000 correspondents, all of them new."""

    async def story(store: Store) -> None:
        for number in range(1200):
            whom = Sighting("whom", f"{number}@example.org", 3600.0, 90 * 86400.0, 1000)
            await store.watch("somebody@example.org", [whom], NOW)
        await store.escalate("somebody@example.org", 4, 86400.0, NOW, [3600.0])

    backend.play(story)
    keys = [key for key in server.cli("KEYS", "*").split("\n") if key]
    assert sum(int(server.cli("MEMORY", "USAGE", key)) for key in keys) <= 220_000
    assert {key for key in keys if int(server.cli("PTTL", key)) < 0} == {"tamis:{locked accounts}"}


def test_passwords_of_the_servers_and_of_the_sentinels(tmp_path: Path) -> None:
    """Each where it belongs; and a master that nobody knows."""
    with redis_sentinels(tmp_path) as sentinels:
        for server in (sentinels.replica, sentinels.master):
            server.cli("CONFIG", "SET", "masterauth", "data", "requirepass", "data")
        for watcher in sentinels.watchers:
            watcher.cli("SENTINEL", "SET", "mymaster", "auth-pass", "data")
            watcher.cli("ACL", "SETUSER", "default", "resetpass", ">watch")
        right = StoreConfig(
            url=sentinels.url,
            timeout=Duration(5.0),
            password=Secret("data"),
            sentinel_password=Secret("watch"),
        )

        def says(**changes: Any) -> str:
            return Backend(replace(right, **changes)).play(failure_at_ease)

        assert Backend(right).play(charge) == 999
        assert says(password=None) == "wants a password"
        assert says(password=Secret("wrong")) == "does not accept our password"
        unknown = "cannot be found: no Sentinel that we reach knows its master"
        assert says(url=sentinels.url.replace("mymaster", "other")) == unknown
        assert says(sentinel_password=None) == unknown
