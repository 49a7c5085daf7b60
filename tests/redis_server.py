"""Real Redis servers for one test, on UNIX sockets in a temporary directory; nothing is left behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

START_S = 30.0


@dataclass
class RedisServer:
    """*url* is for StoreConfig; *process* is the running server."""

    directory: Path
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def socket(self) -> Path:
        return self.directory / "redis.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.socket.unlink(missing_ok=True)
        command = ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--save", ""]
        log = self.directory / "redis.log"
        command += ["--dir", str(self.directory), "--logfile", str(log), *self.options]
        self.process = subprocess.Popen(command)
        deadline = time.monotonic() + START_S
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"redis-server does not start:\n{log.read_text()}")
            time.sleep(0.01)

    def answers(self) -> bool:
        """Whether it answers at all."""
        with socket.socket(socket.AF_UNIX) as peer:
            try:
                peer.connect(str(self.socket))
                peer.sendall(b"PING\r\n")
                return peer.recv(64).startswith((b"+PONG", b"-NOAUTH"))
            except OSError:
                return False

    def cli(self, *words: str) -> str:
        """What redis-cli prints."""
        command = ["redis-cli", "-s", str(self.socket), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def kill(self) -> None:
        """kill -9, as the kernel does it when memory runs out."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """kill -9 and start again; what was in memory is gone."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """It accepts connections and answers nothing, until `thaw`."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody has at the moment."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def redis_server(directory: Path, *options: str) -> Iterator[RedisServer]:
    """A server with *options* (``"--requirepass", "secret"``); *directory* holds its socket, log and data."""
    server = RedisServer(directory, options)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def wait_for(condition: Callable[[], bool], within_s: float = START_S) -> None:
    """Wait until *condition* holds; RuntimeError if it takes too long."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("Redis takes too long")
        time.sleep(0.02)


@dataclass
class Cluster:
    """Masters that share the slots, and for each as many replicas. Each can be reached by its socket too."""

    masters: list[RedisServer]
    replicas: list[RedisServer]
    ports: list[int]

    @property
    def url(self) -> str:
        """Only some of the masters are named: the others must be found."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in self.ports[:2])

    def owner(self, key: str) -> RedisServer:
        """The first master that has the slot of *key*, at the beginning."""
        slot = int(self.masters[0].cli("CLUSTER", "KEYSLOT", key))
        return self.masters[slot * len(self.masters) // 16384]

    def is_up(self, nodes: list[RedisServer]) -> bool:
        """Whether all *nodes* say that all is well."""
        return all("cluster_state:ok" in node.cli("CLUSTER", "INFO") for node in nodes)


@contextmanager
def redis_cluster(
    directory: Path, masters: int = 3, *, replicas: bool = False, options: tuple[str, ...] = ()
) -> Iterator[Cluster]:
    """A cluster that notices within half a second that a node is away. *options*: of each node, besides."""
    with ExitStack() as stack:
        nodes, ports, buses = [], [], []
        for number in range(2 * masters if replicas else masters):
            home = directory / f"node{number}"
            home.mkdir()
            ports.append(free_port())
            buses.append(free_port())
            words = ["--port", str(ports[-1]), "--bind", "127.0.0.1", "--cluster-enabled", "yes"]
            words += ["--cluster-port", str(buses[-1]), "--cluster-node-timeout", "500"]
            words += ["--repl-diskless-sync-delay", "0"]
            nodes.append(stack.enter_context(redis_server(home, *words, *options)))
        for number, node in enumerate(nodes[:masters]):
            first, end = (16384 * n // masters + (16384 * n % masters > 0) for n in (number, number + 1))
            node.cli("CLUSTER", "ADDSLOTSRANGE", str(first), str(end - 1))
            node.cli("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        for port, bus in zip(ports[1:], buses[1:], strict=True):
            nodes[0].cli("CLUSTER", "MEET", "127.0.0.1", str(port), str(bus))
        names = [node.cli("CLUSTER", "MYID") for node in nodes]
        wait_for(lambda: all(all(name in node.cli("CLUSTER", "NODES") for name in names) for node in nodes))
        for node, name in zip(nodes[masters:], names, strict=False):
            node.cli("CLUSTER", "REPLICATE", name)
        wait_for(
            lambda: all(
                "master_link_status:up" in node.cli("INFO", "replication") for node in nodes[masters:]
            )
        )
        cluster = Cluster(nodes[:masters], nodes[masters:], ports[:masters])
        wait_for(lambda: cluster.is_up(nodes))
        yield cluster


@dataclass
class Sentinels:
    """A master and its replica, watched by three Sentinels."""

    master: RedisServer
    replica: RedisServer
    watchers: list[RedisServer]
    ports: list[int]

    @property
    def url(self) -> str:
        return "redis+sentinel://" + ",".join(f"127.0.0.1:{port}" for port in self.ports) + "/mymaster"

    def fail_over(self) -> None:
        """Wait until the Sentinels have made the replica master."""
        wait_for(lambda: "role:master" in self.replica.cli("INFO", "replication"), 30.0)


@contextmanager
def redis_sentinels(directory: Path) -> Iterator[Sentinels]:
    """They notice within half a second that the master is away."""
    with ExitStack() as stack:
        port, other = free_port(), free_port()
        pair = []
        for number, (here, options) in enumerate(
            ((port, ()), (other, ("--replicaof", "127.0.0.1", str(port))))
        ):
            home = directory / f"server{number}"
            home.mkdir()
            words = ("--port", str(here), "--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0")
            pair.append(stack.enter_context(redis_server(home, *words, *options)))
        wait_for(lambda: "master_link_status:up" in pair[1].cli("INFO", "replication"))
        watchers, ports = [], [free_port() for _ in range(3)]
        for number, here in enumerate(ports):
            home = directory / f"sentinel{number}"
            home.mkdir()
            (home / "sentinel.conf").write_text(
                f"port {here}\nbind 127.0.0.1\nunixsocket {home}/redis.sock\ndir {home}\nlogfile {home}/redis.log\n"
                f"sentinel monitor mymaster 127.0.0.1 {port} 2\n"
                "sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 3000\n"
            )
            watchers.append(stack.enter_context(redis_sentinel(home)))
        knows = ("num-other-sentinels", "2"), ("num-slaves", "1")
        wait_for(lambda: all(_says(w, *pair) for w in watchers for pair in knows))
        yield Sentinels(*pair, watchers, ports)


def _says(watcher: RedisServer, name: str, value: str) -> bool:
    words = watcher.cli("SENTINEL", "MASTER", "mymaster").split("\n")
    return words[words.index(name) + 1] == value


@contextmanager
def redis_sentinel(directory: Path) -> Iterator[RedisServer]:
    """One Sentinel, by the sentinel.conf in *directory*."""
    server = RedisServer(directory)
    server.process = subprocess.Popen(["redis-server", str(directory / "sentinel.conf"), "--sentinel"])
    try:
        wait_for(server.answers)
        yield server
    finally:
        server.kill()
