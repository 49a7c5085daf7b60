"""daemons - starting, waiting for and stopping the processes of a house, and the tail of what they said."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from demo.layout import HOST

START_S = 20.0
STOP_S = 15.0


class HouseError(Exception):
    """The house cannot be what it should be; the text is for a person and says what was seen."""


@dataclass(slots=True)
class Daemon:
    """One long-running process in a session of its own, its output in *log*."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; `wait_ready` waits until it serves."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                env=dict(self.environment), start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Its process id. Raises HouseError if it was never started."""
        if self.process is None:
            raise HouseError(f"{self.name} has not been started")
        return self.process.pid

    def running(self) -> bool:
        """Whether it is alive."""
        return self.process is not None and self.process.poll() is None

    def wait_ready(self, what: str, ready: Callable[[], bool], timeout_s: float = START_S) -> None:
        """Wait until *ready*. Raises HouseError with the tail of the log if it ends or takes too long."""
        try:
            wait_for(f"{self.name}: {what}", lambda: not self.running() or ready(), timeout_s)
        except HouseError as exc:
            raise HouseError(f"{exc}\n{self.tail()}") from None
        if not self.running():
            status = self.process.returncode if self.process else None
            raise HouseError(f"{self.name} ended with status {status}\n{self.tail()}")

    def ask_to_stop(self) -> None:
        """Send SIGTERM and do not wait."""
        if self.process is not None and self.running():
            self.process.terminate()

    def stop(self) -> int | None:
        """Ask it to end and wait; kill its session if it does not. Returns its status."""
        if self.process is None:
            return None
        self.ask_to_stop()
        try:
            status = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self.process.wait()
        self.process = None
        return status

    def kill(self) -> None:
        """kill -9 for the whole session, and wait for the process."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        return tail(self.log, lines)


def tail(log: Path, lines: int = 15) -> str:
    """The last *lines* of the file *log*, indented; a note if there is none."""
    try:
        text = log.read_text(errors="backslashreplace").splitlines()
    except OSError:
        text = []
    if not text:
        return f"    (nothing in {log.name})"
    return "\n".join(f"    {line}" for line in text[-lines:])


def wait_for(what: str, condition: Callable[[], bool], timeout_s: float = START_S) -> None:
    """Wait until *condition* holds. Raises HouseError after *timeout_s*."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise HouseError(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(0.02)


def accepts(port: int) -> bool:
    """Whether somebody takes TCP connections on *port* of the loopback interface."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def greets(port: int) -> bool:
    """Whether the server on *port* speaks first, as those of SMTP, IMAP, POP3 and ManageSieve do once they serve."""
    with socket.socket() as probe:
        probe.settimeout(5)
        try:
            probe.connect((HOST, port))
            return bool(probe.recv(1))
        except OSError:
            return False


def listens(path: Path) -> bool:
    """Whether somebody takes connections on the UNIX socket *path*."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        return probe.connect_ex(str(path)) == 0
