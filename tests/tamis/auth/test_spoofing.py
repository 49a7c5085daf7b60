"""Forgeries in which one part checks another domain than the reader sees: none of them passes as bank.example.

The classes are those of Chen, Paxson and Jiang, "Composition Kills" (USENIX Security 2020): the attacker owns
evil.example with all records right, and a server of his own that bank.example does not name.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from milters.edits import MAX_VALUE_CHARS
from tamis.auth import results
from tamis.auth.dkim_sign import Signer, sign
from tamis.auth.facts import Client, Facts, find
from tamis.dns import ZoneResolver
from tamis.mail import authres
from tamis.mail.authres_read import read
from tamis.mail.message import Message
from tests.tamis.auth.site import ED25519, NOW, RSA

ZONE: dict[str, list[Any]] = {
    "bank.example": [{"TXT": "v=spf1 ip4:203.0.113.1 -all"}, {"A": "203.0.113.1"}],
    "_dmarc.bank.example": [{"TXT": "v=DMARC1; p=reject"}],
    "k._domainkey.bank.example": [{"TXT": ED25519.record}],
    "evil.example": [{"TXT": "v=spf1 ip4:192.0.2.66 -all"}],
    "_dmarc.evil.example": [{"TXT": "v=DMARC1; p=none"}],
    "k._domainkey.evil.example": [{"TXT": RSA.record}],
    "bank.example.evil.example": [{"TXT": "v=spf1 +all"}],
}
BODY = b"To: you@example.org\r\nSubject: Your account\r\n\r\nPay here.\r\n"


def judge(raw: bytes, sender: str = "a@evil.example", helo: str = "evil.example") -> Facts:
    client = Client("192.0.2.66", helo, sender, "mx.test")
    facts = asyncio.run(find(Message(raw), client, ZoneResolver(ZONE), NOW))
    value = authres.build("mx.test", results.written(facts, client))
    assert value.isascii()
    assert all(c.isprintable() or c in "\n\t" for c in value)
    return facts


def by_evil(raw: bytes, **changes: Any) -> bytes:
    made = {"domain": "evil.example", "selector": "k", "key": RSA} | changes
    return sign(Message(raw), Signer(**made), NOW) + b"\r\n" + raw


@pytest.mark.parametrize(
    "fields",
    [
        b"From: a@bank.example\r\n",
        b"From: a@evil.example\r\nFrom: a@bank.example\r\n",
        b"From: a@bank.example\r\nFrom: a@evil.example\r\n",
        b"From : a@bank.example\r\nFrom: a@evil.example\r\n",
        b"from: a@bank.example\r\nFROM:a@evil.example\r\n",
        b"From:\r\n a@bank.example\r\nFrom: a@evil.example\r\n",
        b"From: a@evil.example, a@bank.example\r\n",
        b"From: <a@evil.example>, <a@bank.example>\r\n",
        b"From: a@bank.example <a@evil.example>\r\n",
        b"From: <a@bank.example>(x)<a@evil.example>\r\n",
        b"From: <@evil.example,@x.example:a@bank.example>\r\n",
        b"From: <@evil.example:a@bank.example\r\n",
        b"From: =?utf-8?b?PGFAYmFuay5leGFtcGxlPg==?=, <b@evil.example>\r\n",
        b"From: <a@bank.example\\>, <a@evil.example>\r\n",
        b"From: a@bank.example\0@evil.example\r\n",
        b"From: a@bank.example;@evil.example\r\n",
        b'From: "a@bank.example" a@bank.example, <a@evil.example>\r\n',
        b"From: group: a@bank.example;, a@evil.example\r\n",
        b"From: a@BANK.example.\r\n",
        b"From: a@bank(x).example\r\n",
        b"From: a@(evil.example)bank.example\r\n",
        b"From: a@bank.example\xff <a@evil.example>\r\n",
        b"From: " + b", ".join(b"a@e%d.example" % n for n in range(9)) + b", a@bank.example\r\n",
        b"From: a@evil.example\r\n" * 9 + b"From: a@bank.example\r\n",
    ],
)
@pytest.mark.parametrize("signed", [False, True])
def test_the_author_that_a_reader_may_show(fields: bytes, signed: bool) -> None:
    raw = fields + BODY
    fact = judge(by_evil(raw) if signed else raw).dmarc
    assert fact.result in {"fail", "permerror"}
    assert fact.disposition == "reject"


@pytest.mark.parametrize(
    "raw", [b" From: a@bank.example\r\n" + BODY, BODY, b"Sender: a@bank.example\r\n" + BODY]
)
def test_a_message_without_author_is_said_so(raw: bytes) -> None:
    fact = judge(raw).dmarc
    assert (fact.result, fact.reason) == ("permerror", "no From field")


@pytest.mark.parametrize(
    ("sender", "helo"),
    [
        ("", "evil.example"),
        ("a@evil.example", "bank.example"),
        ("a@bank.example", "evil.example"),
        ("<a@bank.example", "evil.example"),
        ("a@bank.example(.evil.example", "evil.example"),
        ("a@bank.example'@evil.example", "evil.example"),
        ("a@bank.example,@evil.example", "evil.example"),
        ("@bank.example:a@evil.example", "evil.example"),
        ("a@bank.example@evil.example", "evil.example"),
        ("a@bank.example.evil.example", "evil.example"),
        ("bank.example", "evil.example"),
        ("a@bank.example; dmarc=pass", "evil.example"),
        ("a@evil.example", "evil.example dmarc=pass"),
    ],
)
def test_senders_that_pass_spf_for_somebody_else(sender: str, helo: str) -> None:
    fact = judge(b"From: a@bank.example\r\n" + BODY, sender, helo).dmarc
    assert (fact.result, fact.disposition, fact.spf_aligned) == ("fail", "reject", False)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"domain": "bank.example"},
        {"domain": "bank.example.evil.example"},
        {"domain": "bank.example(.evil.example"},
        {"domain": "example"},
        {"domain": "bank.example", "selector": "k._domainkey.evil.example.x"},
        {"domain": "bank.example", "selector": "evil.example.\0k"},
        {"domain": "evil.example", "identity": "a@bank.example"},
    ],
)
def test_signatures_of_somebody_else(changes: dict[str, Any]) -> None:
    fact = judge(by_evil(b"From: a@bank.example\r\n" + BODY, **changes)).dmarc
    assert (fact.result, fact.disposition, fact.dkim_aligned) == ("fail", "reject", False)


def test_a_signature_of_the_bank_is_not_stretched() -> None:
    """What the bank signed, with another author above it, another text below it, or a changed subject."""
    bank = {"domain": "bank.example", "key": ED25519, "names": ("from", "to", "subject")}
    whole = by_evil(b"From: a@bank.example\r\n" + BODY, **bank)
    assert judge(whole).dmarc.result == "pass"
    assert judge(b"From: a@evil.example\r\n" + whole).dmarc.disposition == "none"
    assert judge(b"From: a@evil.example\r\n" + whole).dmarc.result == "permerror"
    assert judge(whole.replace(b"Your account", b"Our account")).dmarc.result == "fail"
    short = by_evil(b"From: a@bank.example\r\n" + BODY, **bank, with_length=True)
    assert judge(short).dmarc.result == "pass"
    assert judge(short + b"And here.\r\n").dmarc.result == "fail"


def test_long_signatures_of_strangers_push_nothing_out_of_our_field() -> None:
    """Transports cut a field; what is cut in a quoted string says nothing at all to those who read it."""
    domain = b".".join([b"x" * 60] * 4)
    long = b"DKIM-Signature: v=1; a=rsa-sha256; d=%b; s=s; i=%b@%b; h=from; bh=AAAA; b=AAAA\r\n"
    raw = long % (domain, b'\\"' * 300, domain) * 9 + b"From: a@bank.example\r\n" + BODY
    client = Client("192.0.2.66", "evil.example", "a" * 900 + "@evil.example", "mx.test")
    facts = asyncio.run(find(Message(by_evil(raw)), client, ZoneResolver(ZONE), NOW))
    value = authres.build("mx.test", results.written(facts, client))
    said = [(each.method, each.result) for each in read(value.encode())]
    assert {("dmarc", "fail"), ("dkim", "pass"), ("spf", "pass")} <= set(said)
    assert len(value) < MAX_VALUE_CHARS
