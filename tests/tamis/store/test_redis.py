"""What only Redis can suffer: servers that freeze, die, forget, refuse, or are somebody else's."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tamis.config.schema import Duration, Secret
from tamis.errors import TempFail
from tamis.store import Store, Window
from tamis.store.config import StoreConfig
from tests.redis_server import RedisServer, free_port, redis_server
from tests.tamis.store.conftest import LOOPS, Backend

pytestmark = pytest.mark.integration

NOW = 1_763_974_800.25
LIMIT = (Window(1000, 3600.0), Window(5000, 86400.0))
TIMEOUT_S = 0.5


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
    """The sentence with which a charge fails, in time."""
    started = time.monotonic()
    with pytest.raises(TempFail, match=r"^4\.3\.0 State store .*, try again later$") as caught:
        await charge(store)
    assert time.monotonic() - started < TIMEOUT_S + 0.5
    return caught.value.text.removeprefix("State store ").removesuffix(", try again later")


def test_a_frozen_server_costs_the_timeout_and_recovers(server: RedisServer, backend: Backend) -> None:
    async def story(store: Store) -> None:
        await charge(store)
        server.freeze()
        calls = [failure(store) for _ in range(50)]
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
        asyncio.get_running_loop().call_later(TIMEOUT_S / 2, server.thaw)
        assert await early == 998

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

    backend.play(story)


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


def test_one_round_trip_a_request_and_one_connection(server: RedisServer, backend: Backend) -> None:
    async def story(store: Store) -> None:
        await charge(store)
        await store.first_seen("k", NOW, 60.0)
        server.cli("CONFIG", "RESETSTAT")
        charges = (store.charge("u", LIMIT, 1, NOW, f"{n}") for n in range(100))
        await asyncio.gather(*charges, *(store.first_seen(f"{n}", NOW, 60.0) for n in range(100)))
        info = server.cli("INFO", "everything").split()
        assert any(line.startswith("cmdstat_evalsha:calls=200,") for line in info)
        assert "total_connections_received:1" in info  # redis-cli's own

    backend.play(story)


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
    """A server that answers each connection's greeting well and the next commands with *replies*."""

    def serve(listener: socket.socket) -> None:
        for reply in replies:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"+OK\r\n")
                peer.recv(65536)
                peer.sendall(reply)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
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
        (b"$99999999\r\n", "does not speak the Redis protocol"),
        (b"\xff" * 100_000, "does not speak the Redis protocol"),
        (b"+1\r\n+2\r\n", "answers what was not asked"),
        (b"", "closed the connection"),
        (b"$9\r\n0 1 2", "closed the connection"),
    ],
)
def test_what_a_server_may_answer(tmp_path: Path, reply: bytes, sentence: str) -> None:
    """Each is a temporary failure with a sentence of ours, none of the server's bytes in it."""
    with impostor(tmp_path / "s", reply) as url:
        backend = Backend(StoreConfig(url=url, timeout=Duration(10.0)))
        assert backend.play(failure_at_ease) == sentence


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
