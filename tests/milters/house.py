"""house - a real tamis-milter in a temporary directory, for tests: start, signal, look, stop."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from demo.layout import OWNER

DEADLINE_S = 60.0

CONFIG = """\
hostname = "mx.test"
[log]
to = "stderr"
[store]
url = "memory://"
[journal]
path = "{directory}/journal"
[dns]
nameservers = ["127.0.0.1:{dns_port}"]
timeout = "1s"
[milter]
listen = "unix:{directory}/milter"
group = ""
user = "{user}"
metrics = "127.0.0.1:{metrics_port}"
workers = {workers}
transport = "{transport}"
drain = "5s"
[milter.checks.authenticate]
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for *condition*, looking often; fails with *what* after a deadline that only a defect reaches."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        select.select([], [], [], 0.01)


class Milter:
    """The parent process; *socket* is where it listens."""

    def __init__(self, prefix: Path, directory: Path, dns_port: int, workers: int, transport: str) -> None:
        self.program = prefix / "bin" / "tamis-milter"
        self.socket = str(directory / "milter")
        self.config = directory / "tamis.toml"
        self.temporary = directory / "tmp"
        self.log = directory / "log"
        self._metrics_port = free_port()
        text = CONFIG.format(
            directory=directory,
            dns_port=dns_port,
            metrics_port=self._metrics_port,
            workers=workers,
            transport=transport,
            user=OWNER,
        )
        self.config.write_text(text)
        self.journal = directory / "journal"
        for made in (self.journal, self.temporary):
            made.mkdir(exist_ok=True)
            if os.geteuid() == 0:
                shutil.chown(made, OWNER, OWNER)

    def start(self) -> None:
        self._stderr: IO[bytes] = self.log.open("ab")
        earlier = self.count("worker started")
        self.process = subprocess.Popen(
            [self.program, "-c", self.config],
            stderr=self._stderr,
            env=environment() | {"TMPDIR": str(self.temporary)},
        )
        until(lambda: self.count("worker started") > earlier, "workers")

    def count(self, text: str) -> int:
        return self.log.read_text().count(text)

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def metric(self, name: str) -> float:
        page = (
            urllib.request.urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics", timeout=30)
            .read()
            .decode()
        )
        values = [float(line.split()[-1]) for line in page.splitlines() if line.startswith(name)]
        return sum(values)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(DEADLINE_S)
        finally:
            self.process.kill()
            self._stderr.close()


def environment() -> dict[str, str]:
    """Ours without what a program could take for systemd's or a parent's."""
    strange = {"PROMETHEUS_MULTIPROC_DIR", "TAMIS_WORKER", "TAMIS_CONFIG", "NOTIFY_SOCKET", "LISTEN_FDS"}
    return {name: value for name, value in os.environ.items() if name not in strange}


@contextmanager
def running(
    prefix: Path,
    directory: Path,
    dns_port: int,
    workers: int = 1,
    transport: str = "pymilter",
    checks: str = "",
) -> Iterator[Milter]:
    """*checks*: more of the configuration, after authenticate."""
    milter = Milter(prefix, directory, dns_port, workers, transport)
    milter.config.write_text(milter.config.read_text() + checks)
    try:
        milter.start()
        yield milter
    finally:
        milter.stop()
