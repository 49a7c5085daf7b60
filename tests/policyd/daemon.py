"""A real tamis-policyd in a temporary directory of its own, and a client that speaks as Postfix does."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.installed import installed
from tests.policyd.requests import attributes, wire

START_S = 60.0
ACCOUNT = "nobody" if os.geteuid() == 0 else ""  # the daemon does not serve as root

CONFIG = """
hostname = "mx.example.org"
[log]
to = "stderr"
[store]
{store}
[journal]
path = "{directory}/journal"
[policyd]
listen = ["unix:{socket}"]
user = "{account}"
group = ""
metrics = "{metrics}"
{policyd}
{checks}
"""

ONE_USER = """
[policyd.checks.users]
check = "ratelimit"
limits = ["{limits}"]
"""


def users(*limits: str) -> str:
    """A check table with these limits on each login."""
    return ONE_USER.format(limits='", "'.join(limits))


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A directory that the daemon's account may use; pytest's own are root's alone."""
    with tempfile.TemporaryDirectory(prefix="tamis-") as name:
        if ACCOUNT:
            shutil.chown(name, ACCOUNT)
        Path(name).chmod(0o755)
        yield Path(name)


@dataclass
class Client:
    """One connection, as one smtpd process has it."""

    path: Path
    peer: socket.socket = field(init=False)
    heard: bytes = b""

    def __post_init__(self) -> None:
        self.peer = socket.socket(socket.AF_UNIX)
        self.peer.settimeout(60)
        self.peer.connect(str(self.path))

    def say(self, asked: Mapping[str, str]) -> None:
        self.peer.sendall(wire(dict(asked)))

    def hear(self) -> str:
        """The next action. Raises EOFError where the daemon has hung up."""
        while b"\n\n" not in self.heard:
            piece = self.peer.recv(65536)
            if not piece:
                raise EOFError
            self.heard += piece
        reply, _, self.heard = self.heard.partition(b"\n\n")
        assert reply.startswith(b"action=")
        return reply[len(b"action=") :].decode("ascii")

    def ask(self, **changes: str) -> str:
        self.say(attributes(**changes))
        return self.hear()

    def close(self) -> None:
        self.peer.close()


@dataclass
class Daemon:
    """One process. Several may share a directory, each with a *name* of its own."""

    directory: Path
    checks: str
    store: str = ""
    policyd: str = ""
    name: str = "policyd"
    metrics: str = ""
    process: subprocess.Popen[bytes] = field(init=False)
    clients: list[Client] = field(default_factory=list)

    @property
    def socket(self) -> Path:
        return self.directory / self.name

    @property
    def log(self) -> str:
        return (self.directory / f"{self.name}.log").read_text()

    def configure(self, checks: str) -> None:
        """Write the configuration; a running daemon reads it at SIGHUP."""
        store = self.store or f'url = "sqlite://{self.directory}/state.db"'
        text = CONFIG.format(
            store=store,
            directory=self.directory,
            socket=self.socket,
            account=ACCOUNT,
            policyd=self.policyd,
            metrics=self.metrics,
            checks=checks,
        )
        self.config.write_text(text)

    @property
    def config(self) -> Path:
        return self.directory / f"{self.name}.toml"

    def command(self) -> list[str]:
        return [installed().python, "-P", "-m", "policyd", "-c", str(self.config)]

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        self.configure(self.checks)
        with (self.directory / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stderr=log, stdin=subprocess.DEVNULL)
        started = f"pid={self.process.pid} level=info event=ready"
        self.wait_for(lambda: started in self.log)

    def wait_for(self, condition: object) -> None:
        """Wait until *condition*, a callable, holds; fail with the log if the daemon ends or takes too long."""
        assert callable(condition)
        deadline = time.monotonic() + START_S
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"tamis-policyd: exit {self.process.poll()}\n{self.log}")
            time.sleep(0.01)

    def reload(self, checks: str, outcome: str) -> None:
        """SIGHUP under new *checks*, until the log tells the *outcome* once more."""
        before = self.log.count(outcome)
        self.configure(checks)
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: self.log.count(outcome) > before)

    def client(self) -> Client:
        """A new connection."""
        client = Client(self.socket)
        self.clients.append(client)
        return client

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit status."""
        self.process.send_signal(how)
        return self.process.wait(START_S)

    def close(self) -> None:
        """End it if it runs, and close all connections."""
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def running(
    directory: Path,
    checks: str,
    store: str = "",
    policyd: str = "",
    name: str = "policyd",
    metrics: str = "",
) -> Iterator[Daemon]:
    """A daemon that is ready, and is gone afterwards."""
    daemon = Daemon(directory, checks, store, policyd, name, metrics)
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.close()
