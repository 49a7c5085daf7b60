"""site - a mail site for tests: a directory, a configuration, tamis-lmtpd and tamis-lda as real processes.

Under root, mail belongs to another uid, as it does in life; otherwise to ours."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from tests.installed import installed

REPO = Path(__file__).parents[2]
IS_ROOT = os.getuid() == 0
UID = 65534 if IS_ROOT else os.getuid()

Rights = Literal["owner", "root"]
"""owner: the engine has the uid of the mail. root: it stays root and delivers as each user."""


class Site:
    """*rights* "root" needs root."""

    def __init__(self, path: Path, rights: Rights = "owner") -> None:
        self.path = path
        self.mail = path / "mail"
        self.mail.mkdir()
        (path / "journal").mkdir()
        if IS_ROOT:
            os.chown(self.mail, UID, UID)
            os.chown(path / "journal", UID, UID)
        self.engine: subprocess.Popen[bytes] | None = None
        self.mode = "0666" if rights == "root" else "0600"
        user = "nobody" if IS_ROOT and rights == "owner" else ""
        self.configure(f'user = "{user}"')

    def configure(self, *lda: str, users: str = "", other: str = "") -> None:
        """Write the configuration; *lda* are lines of [lda]."""
        lines = "\n".join(lda)
        users = (
            users
            or f"""
            sources = ["static"]
            [lda.users.static]
            home = "{self.mail}/{{local}}"
            uid = {UID}
            gid = {UID}
            require_home = false
        """
        )
        (self.path / "tamis.toml").write_text(f"""
            hostname = "mx"
            [log]
            to = "stderr"
            [journal]
            path = "{self.path}/journal"
            [lda]
            handoff = "unix:{self.path}/lda.sock"
            listen = ["unix:{self.path}/lmtp.sock"]
            metrics = ""
            mode = "{self.mode}"
            parser = "nobody"
            {lines}
            [lda.users]
            {users}
            {other}
        """)

    @property
    def config(self) -> str:
        return str(self.path / "tamis.toml")

    def start(self) -> subprocess.Popen[bytes]:
        """tamis-lmtpd, once it listens."""
        command = [installed().python, "-m", "lda", "-c", self.config]
        with (self.path / "log").open("ab") as log:
            self.engine = subprocess.Popen(command, stderr=log, cwd=installed().site, start_new_session=True)
        wait_for(lambda: "event=ready" in self.log_of(self.engine))
        return self.engine

    def log(self) -> str:
        """What all have logged."""
        return (self.path / "log").read_text()

    def log_of(self, engine: subprocess.Popen[bytes] | None) -> str:
        """The log lines of one engine; fails if it has ended."""
        assert engine is not None
        text = (self.path / "log").read_text()
        assert engine.poll() is None, text
        return "\n".join(line for line in text.splitlines() if f"pid={engine.pid} " in line)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the engine; its exit status."""
        engine, self.engine = self.engine, None
        if engine is None:
            return 0
        engine.send_signal(number)
        return engine.wait(30)

    def lda(
        self, *arguments: str, message: bytes = b"Subject: x\n\nbody\n", as_root: bool = False
    ) -> tuple[int, str]:
        """Run tamis-lda as pipe(8) would: exit status, and the one stream of its output."""
        done = subprocess.run(
            self.lda_command(*arguments), input=message, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={"LANG": "C"}, cwd="/", timeout=60, check=False, **owner(as_root),
        )  # fmt: skip
        return done.returncode, done.stdout.decode()

    def lda_command(self, *arguments: str) -> list[str]:
        pipe = str(installed().site / "lda" / "client" / "pipe.py")
        return [
            installed().python,
            "-I",
            "-S",
            pipe,
            "--engine",
            f"{self.path}/lda.sock",
            "-c",
            self.config,
            *arguments,
        ]

    def inbox(self, user: str) -> list[bytes]:
        """What lies in new/."""
        new = self.mail / user / "Maildir" / "new"
        return [path.read_bytes() for path in new.iterdir()] if new.exists() else []


def owner(as_root: bool = False) -> dict[str, int]:
    """For subprocess: run as the mail's owner."""
    return {"user": UID, "group": UID} if IS_ROOT and not as_root else {}


def wait_for(condition: object, seconds: float = 60.0) -> None:
    """Until *condition*, a function, is true."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@contextmanager
def make_place() -> Iterator[Path]:
    """A directory that other users may enter, unlike pytest's; gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="tamis-lda-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def make_site(rights: Rights = "owner") -> Iterator[Site]:
    """A site that is gone afterwards."""
    with make_place() as path:
        site = Site(path, rights)
        try:
            yield site
        finally:
            site.stop(signal.SIGKILL)
