"""Real messages through the whole house: what IMAP and POP3 give back is what was sent, but for headers on top."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from demo import clients
from demo.daemons import wait_for
from demo.house import House
from tests.integration.conftest import PASSWORD
from tests.integration.entrance import expected
from tests.integration.ours import Message, messages

pytestmark = pytest.mark.integration

CORPUS = Path(__file__).parent.parent / "corpus"
USER = "corpus@example.org"
SENDER = "carol@outside.example"
ON_TOP = {"return-path", "x-original-to", "delivered-to", "received", "authentication-results"}


def from_corpus(path: Path) -> Message:
    """On the wire a line ends with CRLF, whatever a file has."""
    sent = re.sub(rb"\r?\n", b"\r\n", path.read_bytes())
    if not sent.endswith(b"\r\n"):
        sent += b"\r\n"
    return Message(f"{path.parent.name}/{path.name}", sent, expected(sent))


MESSAGES = [
    *messages(),
    *(from_corpus(p) for p in sorted(CORPUS.glob("*/*")) if p.suffix in {".eml", ".msg"}),
]


SHORT_LINES = [m for m in MESSAGES if max(map(len, m.sent.split(b"\n"))) < 2000 and len(m.sent) < 100_000]


@pytest.fixture(scope="module", params=["house", "lmtp_house"], ids=["pipe", "lmtp"])
def received(request: pytest.FixtureRequest) -> dict[str, bytes]:
    """All messages sent in one SMTP session, each to an extension of its own by which it is known again."""
    house: House = request.getfixturevalue(request.param)
    with clients.outside(house.layout.ports.smtp, "192.0.2.10", "mail.outside.example") as client:
        for number, message in enumerate(MESSAGES):
            reply = clients.send(client, SENDER, f"corpus+{number}@example.org", message.sent)
            assert reply.code == 250, f"{message.name}: {reply}\n{house.tail('postfix')}"
    wait_for("the queue to drain", lambda: not house.queue(), 60)
    with clients.imap(house.layout.ports, USER, PASSWORD) as client:
        inbox = clients.messages(client, "INBOX")
    return {MESSAGES[_number(raw)].name: raw for raw in inbox}


def _number(raw: bytes) -> int:
    match = re.search(rb"(?m)^Delivered-To: corpus\+(\d+)@example\.org\r$", raw)
    assert match, raw[:500]
    return int(match[1])


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_a_message_comes_back_as_it_was_sent(message: Message, received: dict[str, bytes]) -> None:
    seen = received[message.name]
    assert seen.endswith(message.expected)
    on_top = seen[: len(seen) - len(message.expected)]
    names = {
        line.partition(b":")[0].decode().lower()
        for line in re.sub(rb"\r\n[ \t]", b"", on_top).split(b"\r\n")
        if line
    }
    assert names <= ON_TOP


def test_pop3_gives_the_same_as_imap(house: House) -> None:
    """The mailbox is this test's own: nobody delivers between the two looks."""
    user = "pop3@example.org"
    with clients.outside(house.layout.ports.smtp, "192.0.2.10", "mail.outside.example") as client:
        for message in SHORT_LINES:
            assert clients.send(client, SENDER, user, message.sent).code == 250
    wait_for("the queue to drain", lambda: not house.queue(), 60)
    with clients.imap(house.layout.ports, user, PASSWORD, implicit_tls=True) as client:
        by_imap = clients.messages(client, "INBOX")
    with clients.pop3(house.layout.ports, user, PASSWORD, implicit_tls=True) as client:
        by_pop3 = clients.retrieve(client)
    assert len(by_imap) == len(SHORT_LINES)
    assert by_imap == [raw.replace(b"\0", b"\x80") for raw in by_pop3]  # POP3 does know NUL


@pytest.mark.parametrize("message", messages(), ids=lambda message: message.name)
def test_the_rules_for_postfix_agree_with_what_was_written_down_by_hand(message: Message) -> None:
    assert expected(message.sent) == message.expected
