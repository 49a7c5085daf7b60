"""house - a whole mail server for itself: Postfix, Dovecot and Tamis in one temporary directory, on loopback.

    with House({"alice@example.org": "secret"}) as house:
        ...

Nothing below /etc or /var is touched and nothing leaves the machine. It needs root, as Postfix and Dovecot do
to become their own accounts. Leaving the context stops everything and removes the directory; demo.reaper
does so even if this process is killed.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from demo import dovecot, postfix, programs
from demo.daemons import Daemon, HouseError, tail
from demo.install import install
from demo.layout import DOMAIN, OWNER, REPOSITORY, Layout, Ports
from demo.nameserver import NameServer, Zone
from demo.tls import make_certificate

NEEDED = ("/usr/sbin/postconf", "/usr/sbin/dovecot", "/usr/bin/openssl")


class House:
    """Up from `start` to `stop`."""

    def __init__(
        self,
        passwords: Mapping[str, str],
        *,
        memorable_ports: bool = False,
        user_limit: str = "100/1h",
        network_limit: str = "1000/1h",
        zone: Zone | None = None,
        lmtp: bool = False,
    ) -> None:
        self.passwords = passwords
        self._memorable = memorable_ports
        self._limits = (user_limit, network_limit)
        self._zone = zone or {}
        self._lmtp = lmtp
        self._reaper: subprocess.Popen[bytes] | None = None
        self._nameserver: NameServer | None = None
        self.layout: Layout
        self.daemons: dict[str, Daemon] = {}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Raises HouseError; then `stop` still has to be called."""
        _check_machine()
        os.umask(0o022)
        root = Path(tempfile.mkdtemp(prefix="tamis-"))
        self._reaper = _start_reaper(root)
        root.chmod(0o755)
        self.layout = Layout(root, Ports.free(memorable=self._memorable))
        (root / "log").mkdir()
        certificate, key = self.layout.certificate
        certificate.parent.mkdir(parents=True)
        make_certificate(certificate, key)
        install(self.layout.path("/opt/tamis"))
        tamis = programs.prepare(self.layout, *self._limits)
        mailboxes = [user for user in self.passwords if user.endswith("@" + DOMAIN)]
        self.daemons = {
            "dovecot": dovecot.prepare(self.layout, self.passwords),
            **tamis,
            "postfix": postfix.prepare(self.layout, mailboxes, lmtp=self._lmtp),
        }
        self._nameserver = NameServer(self._zone, self.layout.ports.dns)
        for daemon in self.daemons.values():
            daemon.start()
        for name in self.daemons:
            self.wait_ready(name)

    def wait_ready(self, name: str) -> None:
        """Wait until the daemon *name* serves. Raises HouseError with the tail of its log."""
        room = {"dovecot": dovecot, "postfix": postfix}.get(name, programs)
        room.wait_ready(self.daemons[name], self.layout)

    def kill(self, name: str) -> None:
        """kill -9 for the daemon *name* and its children."""
        self.daemons[name].kill()

    def restart(self, name: str) -> None:
        """Start the daemon *name* again, whether it was killed or has to be stopped first."""
        self.daemons[name].stop()
        self.daemons[name].start()
        self.wait_ready(name)

    def stop(self) -> None:
        """Stop everything that was started and remove the directory. What will not stop is killed."""
        for daemon in reversed(self.daemons.values()):
            daemon.ask_to_stop()
        for daemon in reversed(self.daemons.values()):
            daemon.stop()
        self.daemons = {}
        if self._nameserver is not None:
            self._nameserver.close()
            self._nameserver = None
        if self._reaper is not None:
            assert self._reaper.stdin is not None
            self._reaper.stdin.close()
            self._reaper.wait()
            self._reaper = None

    def home(self, user: str) -> Path:
        """The home of the mailbox *user*."""
        local, _, domain = user.partition("@")
        return self.layout.path("/var/vmail") / domain / local

    def queue(self) -> list[str]:
        """Ids of the messages in Postfix's queue."""
        return postfix.queue(self.layout)

    def flush(self) -> None:
        """Have Postfix try all of them now."""
        postfix.flush(self.layout)

    def tail(self, name: str, lines: int = 15) -> str:
        """The last lines of the log of the daemon *name*."""
        return tail(self.layout.root / "log" / f"{self.daemons[name].name}.log", lines)


def _check_machine() -> None:
    """Complain before anything is started."""
    if os.geteuid() != 0:
        raise HouseError("Postfix and Dovecot become their own accounts: this must be run as root")
    if missing := [program for program in NEEDED if not Path(program).exists()]:
        raise HouseError(f"missing: {', '.join(missing)}; `make setup` installs them")
    try:
        pwd.getpwnam(OWNER)
    except KeyError:
        raise HouseError(f"the account {OWNER}, which Debian has, is missing here") from None


def _start_reaper(root: Path) -> subprocess.Popen[bytes]:
    """The reaper of *root*, already waiting."""
    reaper = subprocess.Popen(
        [sys.executable, "-m", "demo.reaper", str(root)], cwd=REPOSITORY, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert reaper.stdout is not None
    with reaper.stdout as output:
        if output.readline() != b"ready\n":
            raise HouseError("the reaper does not start")
    return reaper
