"""postgres - a real PostgreSQL for tests, on a UNIX socket in a directory of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lda.site import IS_ROOT, UID, make_place, owner, wait_for

BIN = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: float(path.parent.name))

needs_postgres = pytest.mark.skipif(not BIN, reason="needs PostgreSQL")


class Postgres:
    """One cluster. It refuses to be root: under root it belongs to nobody."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if IS_ROOT:
            os.chown(path, UID, UID)
        options = ["--auth=trust", "--username=tamis", "--no-sync", "--locale=C", "--encoding=UTF8"]
        self._run("initdb", "-D", str(path / "data"), *options)

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://tamis@/postgres?host={self.path}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        with (self.path / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [f"{BIN}/postgres", "-D", self.path / "data", "-k", self.path, "-c", "listen_addresses=",
                 "-c", "fsync=off"],
                stdout=log, stderr=log, cwd=self.path, **owner(),
            )  # fmt: skip
        wait_for(self._answers)

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.path / "log").read_text()
        command = [f"{BIN}/pg_isready", "-q", "-h", self.path, "-U", "tamis"]
        return subprocess.run(command, check=False).returncode == 0

    def sql(self, text: str) -> None:
        """Run statements."""
        self._run("psql", "-q", "-h", str(self.path), "-U", "tamis", "-c", text, "postgres")

    def _run(self, program: str, *arguments: str) -> None:
        command = [f"{BIN}/{program}", *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=self.path, timeout=60, **owner())

    def stop(self) -> None:
        """At once, clients or not."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)


@contextmanager
def started() -> Iterator[Postgres]:
    """A server, gone afterwards."""
    with make_place() as path:
        server = Postgres(path)
        server.start()
        try:
            yield server
        finally:
            server.process.send_signal(signal.SIGQUIT)
            server.process.wait(20)
            shutil.rmtree(path / "data")
