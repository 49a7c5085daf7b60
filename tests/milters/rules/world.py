"""world - a check of the milter as the configuration makes it, and what it says of a message."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

from milters.config import assemble
from tamis.check import Services
from tamis.config.load import Loader, read
from tamis.dns import Resolver, ZoneResolver
from tamis.errors import ConfigError
from tamis.mail.message import Message
from tamis.transaction import Findings, Transaction
from tamis.verdict import Verdict

NOW = 1_700_000_000.0


def configured(tmp_path: Path, text: str) -> tuple[Any, ...]:
    """The checks of a file with *text*. Raises ConfigError."""
    path = tmp_path / "tamis.toml"
    path.write_text(text)
    loader = Loader(read(path))
    _, checks = assemble(loader)
    loader.finish()
    return tuple(one.check for one in checks)


def problems(tmp_path: Path, text: str) -> str:
    """What is wrong with *text*."""
    try:
        configured(tmp_path, text)
    except ConfigError as exc:
        return str(exc)
    return ""


def services(dns: Resolver | None = None) -> Services:
    return Services(cast("Any", None), dns or ZoneResolver({}), lambda: NOW, "mx.test")


def judged(check: Any, raw: bytes, *, dns: Resolver | None = None, **known: Any) -> Verdict:
    """What *check* says of the message *raw*."""
    facts = {"sender": "a@example.org", "client_address": "192.0.2.1", "recipients": ("b@example.net",)}
    message = Message(raw)
    txn = Transaction(
        **{"findings": Findings(), "message": message, "size_bytes": len(raw), **facts, **known}
    )
    return asyncio.run(check.run(txn, services(dns)))
