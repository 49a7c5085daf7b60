"""Real Redis servers for one test, on UNIX sockets in a temporary directory; nothing is left behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

START_S = 10.0


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
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"redis-server does not start:\n{log.read_text()}")
            time.sleep(0.01)

    def _answers(self) -> bool:
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
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()

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


@contextmanager
def redis_cluster(directory: Path, masters: int = 3) -> Iterator[list[RedisServer]]:
    """That many masters which share the slots, no replicas; each can be reached by its socket."""
    with ExitStack() as stack:
        servers, addresses = [], []
        for number in range(masters):
            home = directory / str(number)
            home.mkdir()
            port, bus = str(free_port()), str(free_port())
            options = (
                "--port",
                port,
                "--bind",
                "127.0.0.1",
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                bus,
            )
            servers.append(stack.enter_context(redis_server(home, *options)))
            addresses.append(f"127.0.0.1:{port}")
        create = ["redis-cli", "--cluster", "create", *addresses, "--cluster-yes"]
        subprocess.run(create, check=True, capture_output=True, timeout=60)
        deadline = time.monotonic() + START_S
        while any("cluster_state:ok" not in server.cli("CLUSTER", "INFO") for server in servers):
            if time.monotonic() > deadline:
                raise RuntimeError("the cluster does not come up")
            time.sleep(0.05)
        yield servers
