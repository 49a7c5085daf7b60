"""Through a real Postfix no field in our name survives, however it is spelled, and those of others do."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from demo import clients
from demo.daemons import wait_for
from demo.house import House
from tests.integration.conftest import PASSWORD, make_house

pytestmark = pytest.mark.integration

USER = "forged@example.org"
SPELLINGS = [
    b": mx.example.org; spf=pass",
    b" : mx.example.org; spf=pass",
    b"\t: mx.example.org; spf=pass",
    b":mx.example.org; spf=pass",
    b":\r\n mx.example.org; spf=pass",
    b":\r\n\t(a (nested) comment)\r\n\tMX.Example.ORG 1; spf=pass",
    b': "mx.example.org"; spf=pass',
    b': "mx.exam\\ple.org"; spf=pass',
    b": mx.example.org.; spf=pass",
    b": mx.example.org/1; spf=pass",
    b": mx(comment).example.org; spf=pass",
    b": mx.\r\n example.org; spf=pass",
    b": ; spf=pass",
    b": =?utf-8?q?mx.example.org?=; spf=pass",
    b": \x0bmx.example.org; spf=pass",
    b": \rmx.example.org; spf=pass",
    b": mx.example.org\0; spf=pass",
    b": (open comment mx.example.org; spf=pass",
    b': "mx.example.org; spf=pass',
    b": m\xef\xbd\x98.example.org; spf=pass",
    b":: mx.example.org; spf=pass",
]
NAMES = [b"Authentication-Results", b"AUTHENTICATION-RESULTS", b"authentication-results"]
OTHERS = [
    b"Authentication-Results: other.example; spf=pass",
    b"Authentication-Results: mx.example.org.evil.example; spf=pass",
    b"X-Authentication-Results: mx.example.org; spf=pass",
]


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with make_house(mailboxes=("forged",)) as started:
        yield started


def test_what_looks_like_ours_is_gone_and_what_is_not_stays(house: House) -> None:
    forged = [NAMES[n % 3] + spelling for n, spelling in enumerate(SPELLINGS)]
    fields = [*forged[:10], OTHERS[0], *forged[10:], *OTHERS[1:], b"Subject: test"]
    with clients.outside(house.layout.ports.smtp, "192.0.2.11", "mail.outside.example") as client:
        reply = clients.send(
            client, "carol@outside.example", USER, b"\r\n".join(fields) + b"\r\n\r\nbody\r\n"
        )
    assert reply.code == 250, house.tail("postfix")
    wait_for("the queue to drain", lambda: not house.queue(), 60)
    with clients.imap(house.layout.ports, USER, PASSWORD) as client:
        (raw,) = clients.messages(client, "INBOX")
    left = re.findall(rb"(?im)^(?:x-)?authentication-results.*\r\n(?:[ \t].*\r\n)*", raw)
    ours, *rest = (re.sub(rb"\r\n[ \t]*", b" ", field).strip() for field in left)
    assert ours == (
        b"Authentication-Results: mx.example.org; spf=fail smtp.mailfrom=carol@outside.example;"
        b" spf=none smtp.helo=mail.outside.example; dkim=none;"
        b' dmarc=permerror reason="no From field"'
    )
    assert rest == OTHERS
