"""Content rules, the author's field, links and header rules with a real Postfix: what is refused, held, and arrives."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from demo import clients
from demo.clients import Reply
from demo.daemons import wait_for
from demo.house import House
from tests.integration.conftest import PASSWORD, ZONE

pytestmark = pytest.mark.integration

USER = "content@example.org"
CHECKS = """
[milter.checks.from]
protected_domains = ["example.org"]
protected_names = ["Ann Smith"]
protected_name = "hold"
lookalike = "reject"

[milter.checks.uris]
own = ["example.org"]
reply = "REJECT 5.7.1 {domains} is on {lists}"
[milter.checks.uris.lists."uri.example"]

[milter.checks.content]
[[milter.checks.content.rule]]
name = "lottery"
when = { header.subject = "/you won/", body = "/prize/" }
action = "DEFER 4.7.1 Not today"
[[milter.checks.content.rule]]
name = "program"
when.part.filename = "/\\\\.(exe|scr)$/"
action = "REJECT 5.7.1 Programs are not accepted here"
[[milter.checks.content.rule]]
name = "bulk"
when.header_name = "list-id"
tags = ["bulk"]
add = ["X-Tags: {tags}"]

[milter.checks.headers]
ours = ["X-Spam-*", "X-Tags"]
[[milter.checks.headers.rule]]
name = "external"
when = { sasl_username = "" }
replace = ["Subject: [EXT] {value}"]
"""


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    zone = ZONE | {("evil.example.uri.example", "A"): "127.0.0.2"}
    with House({USER: PASSWORD}, user_limit="1000/1h", network_limit="1000000/1h", zone=zone) as started:
        config = started.layout.path("/etc/tamis/tamis.toml")
        config.write_text(config.read_text() + CHECKS)
        started.restart("milter")
        yield started


def deliver(house: House, raw: bytes) -> Reply:
    with clients.outside(house.layout.ports.smtp, "192.0.2.10", "mail.outside.example") as client:
        return clients.send(client, "carol@outside.example", USER, raw.replace(b"\n", b"\r\n"))


def mail(
    subject: str = "hello", author: str = "Carol <carol@outside.example>", more: str = "", body: str = "x"
) -> bytes:
    return f"From: {author}\nTo: {USER}\nSubject: {subject}\n{more}\n{body}\n".encode()


@pytest.mark.parametrize(
    ("raw", "reply"),
    [
        (mail("=?utf-8?q?You_won?=", body="your prize"), "451 4.7.1 Not today"),
        (mail(body="see http://www.bank.example@www.evil.example/"), "550 5.7.1 evil.example is on uri.example"),
        (mail(author="x@examp1e.org"), "550 5.7.1 From domain examp1e.org looks like example.org"),
        (mail(more=f"From: {USER}\n"), "550 5.7.1 Message has more than one From field"),
        (mail(more="Content-Type: a/b; name*0=x.e;\n name*1=xe\n"), "550 5.7.1 Programs are not accepted here"),
    ],
)  # fmt: skip
def test_what_is_refused_is_told_to_the_client(house: House, raw: bytes, reply: str) -> None:
    assert str(deliver(house, raw)) == reply


def test_what_passes_arrives_with_our_fields_and_without_forged_ones(house: House) -> None:
    subject = "=?utf-8?q?F=C3=BCr_dich?=\n und alle"
    forged = "X-Spam-Flag: NO\nx-spam-status: No\nX-Tags: none\nList-Id: <a.example>\n"
    assert deliver(house, mail(subject, more=forged)).code == 250
    raw = arrived(house)
    assert b"Subject: [EXT] =?utf-8?q?F=C3=BCr_dich?=" in raw
    assert len(re.findall(rb"(?im)^subject:", raw)) == 1
    assert not re.findall(rb"(?im)^x-spam", raw)
    assert re.findall(rb"(?m)^X-Tags: (.*)\r$", raw) == [b"bulk"]


def test_who_poses_as_a_colleague_is_held_for_the_admin(house: House) -> None:
    assert deliver(house, mail(author="=?utf-8?q?Ann_Sm=D1=96th?= <x@freemail.example>")).code == 250
    hold = house.layout.path("/var/spool/postfix/hold")
    wait_for("a message on hold", lambda: any(path.is_file() for path in hold.rglob("*")), 20)


def arrived(house: House) -> bytes:
    with clients.imap(house.layout.ports, USER, PASSWORD) as client:
        wait_for("the message", lambda: bool(clients.messages(client, "INBOX")), 30)
        return clients.messages(client, "INBOX")[-1]
