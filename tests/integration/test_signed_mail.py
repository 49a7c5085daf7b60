"""Signed mail through a real Postfix: what was signed is what the milter sees, on the whole corpus of real mail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import clients
from demo.daemons import wait_for
from demo.house import House
from tamis.auth.dkim_sign import Signer, sign
from tamis.auth.keys import make_key
from tamis.mail.message import Message
from tests.integration.conftest import PASSWORD, ZONE
from tests.integration.ours import messages

pytestmark = pytest.mark.integration

USER = "signed@example.org"
RSA, ED25519 = make_key("rsa", 1024), make_key("ed25519")
KEYS = {
    ("r._domainkey.outside.example", "TXT"): f'"{RSA.record}"',
    ("e._domainkey.outside.example", "TXT"): f'"{ED25519.record}"',
    ("_dmarc.outside.example", "TXT"): '"v=DMARC1; p=reject"',
}
MAX_HEADER_BYTES = 100_000  # Postfix cuts longer fields (header_size_limit)


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    zone = ZONE | KEYS
    with House({USER: PASSWORD}, user_limit="1000/1h", network_limit="1000000/1h", zone=zone) as started:
        yield started


def mail() -> Iterator[bytes]:
    """All that SMTP and the milter protocol can carry, with CRLF ends: the latter loses blanks before the colon."""
    for path in sorted((Path(__file__).parents[1] / "corpus").glob("*/*")):
        raw = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if path.parent.name != "licences" and not raw.startswith(b"From ") and suited(raw):
            yield raw if raw.endswith(b"\r\n") else raw + b"\r\n"
    yield from (
        message.sent for message in messages() if len(message.sent) < 1 << 20 and suited(message.sent)
    )


def suited(raw: bytes) -> bool:
    message = Message(raw)
    bare = b"\r" in raw.replace(b"\r\n", b"") or b"\n" in raw.replace(b"\r\n", b"") or b"\0" in raw
    blank = any(field.raw.partition(b":")[0].endswith((b" ", b"\t")) for field in message.headers)
    return bool(message.headers) and not bare and not blank and message.body_offset < MAX_HEADER_BYTES


def signed(raw: bytes) -> bytes:
    """Twice: so that not a blank may change, and as most do."""
    strict = Signer(
        domain="outside.example", selector="r", key=RSA, header_canon="simple", body_canon="simple"
    )
    usual = Signer(domain="outside.example", selector="e", key=ED25519)
    for signer in (strict, usual):
        raw = sign(Message(raw), signer, None) + b"\r\n" + raw
    return raw


def test_signatures_pass_through_postfix(house: House) -> None:
    sent = [signed(raw) for raw in mail()]
    assert len(sent) > 80
    with clients.outside(house.layout.ports.smtp, "192.0.2.10", "mail.outside.example") as client:
        for raw in sent:
            assert clients.send(client, "carol@outside.example", USER, raw).code == 250
    wait_for("the queue to drain", lambda: not house.queue(), 120)
    with clients.imap(house.layout.ports, USER, PASSWORD) as client:
        got = clients.messages(client, "INBOX")
    assert len(got) == len(sent)
    failed = []
    for raw in got:
        fields = re.findall(rb"(?im)^authentication-results: mx\.example\.org.*\r\n(?:[ \t].*\r\n)*", raw)
        found = re.findall(rb"dkim=(\w+)[^;]*header\.d=outside\.example", fields[0])
        if found[:2] != [b"pass", b"pass"]:
            failed.append((found[:2], raw[:3000]))
    assert not failed
