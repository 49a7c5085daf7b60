"""A sender who asks for a report of success (RFC 3461) gets one: from Postfix behind pipe(8), from us behind LMTP."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import pytest

from demo import clients
from demo.daemons import wait_for
from demo.house import House
from demo.layout import HOST
from demo.letters import letter
from lda.sieve.terms import Terms
from lda.smtp import Parcel, hand_over
from tamis.errors import PermFail
from tests.integration.conftest import PASSWORD, make_house

pytestmark = pytest.mark.integration

SENDER, RECIPIENT = "sender@example.org", "receiver@example.org"


@pytest.fixture(scope="module", params=[False, True], ids=["pipe", "lmtp"])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    with make_house(lmtp=request.param, mailboxes=("sender", "receiver")) as started:
        yield started


def inbox(house: House, user: str, name: str = "INBOX") -> list[bytes]:
    with clients.imap(house.layout.ports, user, PASSWORD) as client:
        return clients.messages(client, name)


def test_the_sender_gets_one_report(house: House) -> None:
    raw = letter(SENDER, RECIPIENT, "A report, please", b"Hello.\n")
    with clients.submission(house.layout.ports.submission, SENDER, PASSWORD) as client:
        for command in (
            f"MAIL FROM:<{SENDER}> RET=HDRS ENVID=QQ+2B1",
            f"RCPT TO:<{RECIPIENT}> NOTIFY=SUCCESS,FAILURE",
            "DATA",
        ):
            assert clients.ask(client, command).code in {250, 354}
        client.send(raw + b".\r\n")
        assert client.getreply()[0] == 250
    wait_for("the message", lambda: inbox(house, RECIPIENT))
    wait_for("the report", lambda: inbox(house, SENDER))
    (report,) = inbox(house, SENDER)
    assert re.search(rb"Action: (delivered|relayed)\r\n", report)
    assert b"Original-Envelope-Id: QQ+1" in report


def test_our_smtp_is_what_postfix_understands(house: House) -> None:
    server = f"inet:{HOST}:{house.layout.ports.smtp}"
    raw = letter(SENDER, RECIPIENT, "Over SMTP", b".dot\n").replace(b"\r\n", b"\n")
    terms = Terms(notify=("FAILURE", "DELAY"), ret="HDRS", envid="E 1+2")
    parcel = Parcel(sender="", recipient=RECIPIENT, head=b"X-Head: 1\n", raw=raw, terms=terms)
    hand_over(server, parcel, 20)
    wait_for("the message", lambda: any(b"Subject: Over SMTP" in raw for raw in inbox(house, RECIPIENT)))
    (found,) = (raw for raw in inbox(house, RECIPIENT) if b"Subject: Over SMTP" in raw)
    assert b"X-Head: 1\r\n" in found
    assert found.endswith(b"\r\n\r\n.dot\r\n")
    with pytest.raises(PermFail):
        hand_over(server, dataclasses.replace(parcel, recipient="nobody@example.org"), 20)
