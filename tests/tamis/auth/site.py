"""site - keys, DNS and messages for the tests of DKIM and its kin."""

from __future__ import annotations

import asyncio
from typing import Any

from tamis.auth import dkim
from tamis.auth.dkim import DkimResult
from tamis.auth.dkim_sign import Signer, sign
from tamis.auth.keys import load_key, make_key
from tamis.dns import ZoneResolver
from tamis.mail.message import Message

NOW = 1_700_000_000.0
RSA = make_key("rsa", 1024)  # short: made anew in each run
ED25519 = load_key(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")  # RFC 8463 appendix A.2
ZONE: dict[str, list[Any]] = {
    "r._domainkey.example.org": [{"TXT": [RSA.record[:200], RSA.record[200:]]}],
    "e._domainkey.example.org": [{"TXT": ED25519.record}],
    "slow._domainkey.example.org": ["TIMEOUT"],
}
RAW = b"From: A <a@example.org>\r\nTo: b@example.net\r\nSubject: one\r\n two\r\nDate: today\r\n\r\nHello \r\nyou\r\n"


def signer(**changes: Any) -> Signer:
    return Signer(**({"domain": "example.org", "selector": "r", "key": RSA} | changes))


def signed(raw: bytes = RAW, now: float | None = NOW, **changes: Any) -> bytes:
    return sign(Message(raw), signer(**changes), now) + b"\r\n" + raw


def verify(raw: bytes, zone: dict[str, list[Any]] | None = None, now: float = NOW) -> tuple[DkimResult, ...]:
    return asyncio.run(dkim.verify(Message(raw), ZoneResolver(ZONE if zone is None else zone), now))


def only(raw: bytes, zone: dict[str, list[Any]] | None = None, now: float = NOW) -> DkimResult:
    (fact,) = verify(raw, zone, now)
    return fact
