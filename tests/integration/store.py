"""store - one user's mail store between two programs: our delivery into it, and a private Dovecot that shows it."""

from __future__ import annotations

import imaplib
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from demo.daemons import Daemon, greets
from demo.dovecot import version
from demo.layout import HOST
from lda.envelope import Envelope
from lda.execute import Done
from lda.forker import Forker
from lda.local import Job, Settings
from lda.quota.config import QuotaConfig
from lda.script_config import SieveConfig
from lda.store import MaildirConfig
from lda.submit import SubmitConfig
from lda.trace import HeadersConfig
from lda.users import User
from tamis.mail.message import Message

UID = GID = 65534
NAME = "u1"
TIMEOUT_S = 20.0

needs_dovecot = pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("dovecot") or version() >= (2, 4),
    reason="needs root and Dovecot 2.3",
)

_CONFIGURATION = """\
base_dir = {path}/run
state_dir = {path}/state
log_path = {path}/log
ssl = no
protocols = imap
disable_plaintext_auth = no
first_valid_uid = 1
listen = {host}
mail_location = {location}
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={path}/home/%u
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
{more}
"""


@dataclass(slots=True)
class Store:
    """The user ``u1``. fields: what the user database says besides."""

    path: Path
    port: int
    maildir: MaildirConfig
    fields: dict[str, str]
    numbers: Iterator[int]
    quota: QuotaConfig = field(default_factory=QuotaConfig)

    @property
    def home(self) -> Path:
        return self.path / "home" / NAME

    @property
    def root(self) -> Path:
        return self.home / "Maildir"

    def deliver(self, script: str = "", raw: bytes = b"Subject: x\n\nbody\n", mailbox: str = "") -> Done:
        """Deliver as the user, through *script*. Raises TempFail."""
        (self.home / ".dovecot.sieve").write_text(script or "keep;")
        user = User(name=NAME, home=self.home, uid=UID, gid=GID, fields=self.fields)
        envelope = Envelope(
            user=NAME, sender="s@a", recipient="u1@b", queue_id=f"Q{next(self.numbers)}", mailbox=mailbox
        )
        settings = Settings(
            hostname="mx", recipient_delimiter="+", maildir=self.maildir, quota=self.quota, sieve=SieveConfig(),
            submit=SubmitConfig(), headers=HeadersConfig(),
        )  # fmt: skip
        with closing(Forker.start(60, lambda: settings)) as forker:
            return forker.deliver(Job(user=user, envelope=envelope, message=Message(raw)))

    @contextmanager
    def imap(self, mailbox: str = "") -> Iterator[imaplib.IMAP4]:
        """A session, with *mailbox* selected."""
        client = imaplib.IMAP4(HOST, self.port, TIMEOUT_S)
        client.login(NAME, "x")
        if mailbox:
            assert client.select(f'"{mailbox}"')[0] == "OK"
        try:
            yield client
        finally:
            client.shutdown()

    def flags(self, mailbox: str) -> list[set[str]]:
        """The flags of each message, without ``\\Recent``."""
        with self.imap(mailbox) as client:
            lines = [line.decode() for line in client.fetch("1:*", "(FLAGS)")[1] if isinstance(line, bytes)]
        found = [re.search(r"FLAGS \(([^)]*)\)", line) for line in lines]
        return [set(match[1].split()) - {"\\Recent"} for match in found if match]

    def doveadm(self, *words: str) -> str:
        """What an admin's command prints."""
        return subprocess.run(
            ["doveadm", "-c", str(self.path / "dovecot.conf"), *words],
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout  # fmt: skip

    def log(self) -> str:
        """Dovecot's log."""
        return (self.path / "log").read_text()


@contextmanager
def make_store(
    *, location: str = "maildir:~/Maildir", more: str = "", maildir: MaildirConfig | None = None,
    fields: dict[str, str] | None = None,
) -> Iterator[Store]:  # fmt: skip
    """A store that is gone afterwards. more: lines of Dovecot's configuration."""
    path = Path(tempfile.mkdtemp(prefix="tamis-store-"))
    path.chmod(0o755)
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    store = Store(path, port, maildir or MaildirConfig(), fields or {}, count(1))
    store.home.mkdir(parents=True)
    os.chown(store.home, UID, GID)
    (path / "dovecot.conf").write_text(
        _CONFIGURATION.format(path=path, host=HOST, location=location, uid=UID, gid=GID, port=port, more=more)
    )
    command = ["/usr/sbin/dovecot", "-F", "-c", str(path / "dovecot.conf")]
    daemon = Daemon("dovecot", command, path / "log", {"PATH": "/usr/bin:/bin"})
    try:
        daemon.start()
        daemon.wait_ready("IMAP", lambda: greets(port))
        yield store
    finally:
        daemon.stop()
        shutil.rmtree(path, ignore_errors=True)
