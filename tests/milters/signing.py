"""signing - key files, DNS and mail for tests of what signs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

from milters.edited import edited
from milters.keyring import Key
from tamis.auth import dkim
from tamis.auth.dkim import DkimResult
from tamis.auth.keys import SigningKey
from tamis.check import Services
from tamis.dns import ZoneResolver
from tamis.log import Log
from tamis.mail.message import Message
from tamis.transaction import Transaction
from tamis.verdict import Verdict

NOW = 1_790_000_000.0
RAW = b"From: Ann <ann@example.org>\r\nTo: b@example.net\r\nSubject: one\r\n\r\nHello\r\n"


def key_file(path: Path, key: SigningKey, mode: int = 0o600) -> Path:
    path.write_bytes(key.pem)
    path.chmod(mode)
    return path


def entry(path: Path, key: SigningKey, selector: str = "s", domain: str = "example.org", **more: Any) -> Key:
    file = key_file(path / f"{selector}.{domain}.key", key)
    return Key(domain=domain, selector=selector, key=file, **more)


def zone(*keys: tuple[str, SigningKey]) -> dict[str, list[Any]]:
    """Records of *keys*: ``selector._domainkey.domain`` and whose it is."""
    found: dict[str, list[Any]] = {}
    for name, key in keys:
        found.setdefault(name, []).append({"TXT": [key.record[:200], key.record[200:]]})
    return found


def services(
    records: dict[str, list[Any]] | None = None, now: float = NOW, log: Log | None = None
) -> Services:
    dns = ZoneResolver(records or {})
    return Services(cast("Any", None), dns, lambda: now, "mx.example.org", log or Log.null())


def run(check: Any, txn: Transaction, about: Services) -> Verdict:
    verdict: Verdict = asyncio.run(check.run(txn, about))
    return verdict


def leaving(txn: Transaction, verdict: Verdict) -> Message:
    """The message with what was found before and what *verdict* adds."""
    assert txn.message is not None
    return edited(txn.message, [*txn.findings.edits, *verdict.edits])


def verified(message: Message, records: dict[str, list[Any]], now: float = NOW) -> tuple[DkimResult, ...]:
    return asyncio.run(dkim.verify(message, ZoneResolver(records), now))
