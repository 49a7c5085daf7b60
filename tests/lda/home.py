"""home - a user's home for tests, and deliveries into it with our own rights."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

from lda.envelope import Envelope
from lda.execute import Done
from lda.local import Job, Settings, deliver
from lda.quota.config import QuotaConfig
from lda.script_config import LimitsConfig, SieveConfig
from lda.store import MaildirConfig
from lda.submit import SubmitConfig
from lda.trace import HeadersConfig
from lda.users import User
from tamis.config.schema import Duration, Size
from tamis.mail.message import Message

MAILDIR = {field.name for field in fields(MaildirConfig)}
SIEVE = {field.name for field in fields(SieveConfig)}
RAW = b"Received: from x by mx\n\tid 4XYZ12345; now\nSubject: [list] hello\n\nbody \xff\0\r\n.\nend without newline"
HEAD = b"Return-Path: <s@a>\nX-Original-To: o@b\nDelivered-To: u@b\n"


class Home:
    """A user's home, and what is delivered there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.calls = 0
        self.user = User(name="u@b", home=path, uid=os.getuid(), gid=os.getgid())
        self.sent = path.parent / "sent"
        self.sendmail = path.parent / "sendmail"
        self.sendmail.write_text(f'#!/bin/sh\necho "$@" >>{self.sent}\ncat >>{self.sent}\n')
        self.sendmail.chmod(0o755)

    def settings(self, **options: object) -> Settings:
        command = (str(self.sendmail), "-f", "{sender}", "--", "{recipient}")
        return Settings(
            hostname="mx",
            recipient_delimiter="+",
            maildir=MaildirConfig(**{k: v for k, v in options.items() if k in MAILDIR}),  # type: ignore[arg-type]
            quota=options.get("quota", QuotaConfig()),  # type: ignore[arg-type]
            sieve=SieveConfig(
                limits=LimitsConfig(script_bytes=Size(10_000)),
                **{k: v for k, v in options.items() if k in SIEVE},  # type: ignore[arg-type]
            ),
            submit=SubmitConfig(command=command, timeout=Duration(float(str(options.get("timeout", 20))))),
            headers=HeadersConfig(),
        )

    def deliver(
        self, raw: bytes = RAW, mailbox: str = "", create: bool | None = None, subscribe: bool | None = None,
        queue_id: str = "", **options: object,
    ) -> Done:  # fmt: skip
        """Each call is another message, unless *queue_id* says that it is the same."""
        self.calls += 1
        envelope = Envelope(
            user="u@b", sender="s@a", recipient="u@b", original_recipient="o@b",
            queue_id=queue_id or f"Q{self.calls}", mailbox=mailbox, create=create, subscribe=subscribe,
        )  # fmt: skip
        return deliver(Job(user=self.user, envelope=envelope, message=Message(raw)), self.settings(**options))

    def script(self, source: str) -> None:
        (self.path / ".dovecot.sieve").write_text(source)

    def folder(self, name: str) -> None:
        for sub in ("cur", "new", "tmp"):
            (self.path / "Maildir" / name / sub).mkdir(parents=True)

    def files(self) -> dict[str, list[bytes]]:
        """The contents of each folder's new/ and cur/."""
        found: dict[str, list[bytes]] = {}
        for path in sorted((self.path / "Maildir").rglob("*")):
            if path.is_file() and path.parent.name in {"new", "cur", "tmp"}:
                name = str(path.parent.relative_to(self.path / "Maildir"))
                found.setdefault(name, []).append(path.read_bytes())
        return found

    def log(self) -> str:
        return (self.path / ".dovecot.sieve.log").read_text()
