"""Attachments through a real Postfix and the real milter: refused, put off, held, let through."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from demo import clients
from demo.clients import Reply
from demo.daemons import wait_for
from demo.house import House
from tests.integration.conftest import PASSWORD, make_house
from tests.milters.attachments.made import FILES, PROGRAM, macro_document, mail, rar5, tarred, zipped

pytestmark = pytest.mark.integration

USER = "attached@example.org"
CHECKS = """
[milter.checks.attachments]
on_limit = "DEFER 4.7.1 {name} cannot be inspected"
[[milter.checks.attachments.rule]]
name = "macros"
macros = "any"
action = "REJECT 5.7.1 No macros: {name}"
[[milter.checks.attachments.rule]]
name = "locked"
encrypted = true
action = "HOLD {name} is locked"
"""


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with make_house(mailboxes=("attached",)) as started:
        config = started.layout.path("/etc/tamis/tamis.toml")
        config.write_text(config.read_text() + CHECKS)
        started.restart("milter")
        yield started


def send(house: House, *files: tuple[str, bytes]) -> Reply:
    raw = b"From: carol@outside.example\r\nSubject: files\r\n" + re.sub(
        rb"\r?\n", b"\r\n", bytes(mail(*files).raw)
    )
    with clients.outside(house.layout.ports.smtp, "192.0.2.10", "mail.outside.example") as client:
        return clients.send(client, "carol@outside.example", USER, raw)


@pytest.mark.parametrize(
    ("files", "code", "text"),
    [
        ([("setup.exe", b"x")], 550, "5.7.1 Attachment setup.exe is not allowed here"),
        ([("invoice.pdf", PROGRAM)], 550, "5.7.1 Attachment invoice.pdf is not allowed here"),
        ([("a.rar", rar5(("run.js", b"x")))], 550, "5.7.1 Attachment a.rar/run.js is not allowed here"),
        (
            [("a.tgz", tarred({"run.vbs": b"x"}, "w:gz"))],
            550,
            "5.7.1 Attachment a.tgz/a.tar/run.vbs is not allowed here",
        ),
        ([("a.doc", macro_document())], 550, "5.7.1 No macros: a.doc"),
        ([("bomb.zip", zipped({"zeros": bytes(30 << 20)}))], 451, "4.7.1 bomb.zip cannot be inspected"),
    ],
)
def test_the_client_is_told(house: House, files: list[tuple[str, bytes]], code: int, text: str) -> None:
    reply = send(house, *files)
    assert (reply.code, text in reply.text) == (code, True), (reply, house.tail("postfix"))
    assert not house.queue()


def test_what_is_harmless_arrives_and_what_is_locked_is_held(house: House) -> None:
    assert send(house, ("a.pdf", b"%PDF-1.4"), ("b.zip", zipped({"c.txt": b"x"}))).code == 250
    wait_for("the queue to drain", lambda: not house.queue(), 60)
    with clients.imap(house.layout.ports, USER, PASSWORD) as client:
        (raw,) = clients.messages(client, "INBOX")
    assert b'filename="b.zip"' in raw
    assert send(house, ("b.7z", (FILES / "locked-names.7z").read_bytes())).code == 250
    hold = house.layout.path("/var/spool/postfix/hold")
    wait_for("a message in the hold queue", lambda: any(hold.iterdir()), 60)
