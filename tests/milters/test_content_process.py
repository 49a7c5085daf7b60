"""The real tamis-milter with from, content, uris and headers, by both transports: what the MTA is told of good and of
hostile mail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.nameserver import NameServer
from tests.milters.client import Client, Outcome
from tests.milters.house import Milter, free_port, running
from tests.milters.test_process import directory, prefix, send, transport  # noqa: F401 - fixtures

pytestmark = pytest.mark.integration

CHECKS = """
[milter.checks.from]
protected_domains = ["example.org"]
protected_names = ["Ann Smith"]
lookalike = "hold"
malformed = "score 1"

[milter.checks.uris]
reply = "REJECT 5.7.1 {domains} is on {lists}"
[milter.checks.uris.lists."uri.test"]

[milter.checks.content]
[[milter.checks.content.rule]]
name = "flood"
when.fields = ">5000"
action = "REJECT 5.6.0 Too many fields"
[[milter.checks.content.rule]]
name = "bomb"
when.too_complex = true
action = "REJECT 5.6.0 Too complex"
[[milter.checks.content.rule]]
name = "prize"
when = { header.subject = "/you won/", body = "/(a+)+prize/" }
score = 4
tags = ["prize"]
[[milter.checks.content.rule]]
name = "program"
when.part.filename = "/\\\\.exe$/"
action = "DISCARD"
[[milter.checks.content.rule]]
name = "mark"
when.score = ">=3"
add = ["X-Spam-Score: {score} {tags} {sender}"]

[milter.checks.headers]
ours = ["X-Spam-*"]
[[milter.checks.headers.rule]]
name = "external"
when = { sasl_username = "" }
replace = ["Subject: [EXT] {value}"]
append = ["X-Seen: {rule}"]
"""
FROM = (b"From", b" Carl <c@other.example>")


@pytest.fixture(scope="module")
def dns_port() -> Iterator[int]:
    port = free_port()
    server = NameServer({("evil.example.uri.test", "A"): "127.0.0.2"}, port)
    yield port
    server.close()


@pytest.fixture
def milter(prefix: Path, directory: Path, dns_port: int, transport: str) -> Iterator[Milter]:  # noqa: F811
    with running(prefix, directory, dns_port, transport=transport, checks=CHECKS) as started:
        yield started


def message(
    milter: Milter, fields: list[tuple[bytes, bytes]], body: bytes, sender: str = "c@other.example"
) -> Outcome:
    with Client(milter.socket) as mta:
        mta.connect(address="192.0.2.1")
        mta.helo("other.example")
        mta.mail(sender)
        mta.rcpt("b@example.net")
        return mta.message(fields, body)


def test_a_good_message_is_marked_as_the_rules_say(milter: Milter) -> None:
    fields = [FROM, (b"X-Spam-Flag", b" NO"), (b"Subject", b" hello"), (b"x-spam-status", b" No")]
    outcome = message(milter, fields, b"hello\r\n")
    assert outcome.verdict == b"c"
    assert outcome.changed == [(1, "Subject", " [EXT] hello")]
    assert {(n, name.lower()) for n, name in outcome.deleted} == {(1, "x-spam-flag"), (1, "x-spam-status")}
    assert outcome.appended == [("X-Seen", " external")]
    assert [name for _, name, _ in outcome.inserted] == ["Authentication-Results"]


def test_findings_of_one_check_reach_the_rules_of_another(milter: Milter) -> None:
    fields = [FROM, (b"Subject", b" =?utf-8?q?you_won?=")]
    outcome = message(milter, fields, b"aaaaprize\r\n", sender="c(x)@other.example")
    marks = [value for _, name, value in outcome.inserted if name == "X-Spam-Score"]
    assert marks == [" 4 prize c(x)@other.example"]


def test_who_looks_like_us_is_held_and_what_refuses_counts_for_more(milter: Milter) -> None:
    fields = [(b"From", b" Ann Smith <a@examp1e.org>"), (b"Subject", b" x")]
    outcome = message(milter, fields, b"hello\r\n")
    assert outcome.quarantined == "From domain examp1e.org looks like example.org"
    assert outcome.changed == [(1, "Subject", " [EXT] x")]
    assert message(milter, fields, b"see http://www.evil.example/\r\n").reply == (
        "550 5.7.1 evil.example is on uri.test"
    )


def test_several_from_fields_are_refused(milter: Milter) -> None:
    outcome = message(milter, [FROM, (b"from", b" admin@example.org")], b"x\r\n")
    assert outcome.reply == "550 5.7.1 Message has more than one From field"
    assert not outcome.changed


def test_a_program_is_discarded(milter: Milter) -> None:
    fields = [FROM, (b"Content-Type", b" application/x;\n name*0=a.e;\n name*1=xe")]
    assert message(milter, fields, b"x").verdict == b"d"


@pytest.mark.parametrize(
    ("fields", "body", "reply"),
    [
        ([FROM, *[(b"X-%d" % n, b" x") for n in range(6000)]], b"x", "550 5.6.0 Too many fields"),
        (
            [FROM, (b"Content-Type", b" multipart/mixed; boundary=b")],
            b"--b\r\n\r\nx\r\n" * 100_000,
            "550 5.6.0 Too complex",
        ),
        (
            [FROM, (b"Content-Type", b" message/rfc822")],
            b"Content-Type: message/rfc822\r\n\r\n" * 3000,
            "550 5.6.0 Too complex",
        ),
        ([FROM, *[(b"X-Spam-Flag", b" x")] * 300], b"x", "550 5.7.1 Too many header fields of the same name"),
    ],
)  # fmt: skip
def test_floods_and_bombs_are_refused(
    milter: Milter, fields: list[tuple[bytes, bytes]], body: bytes, reply: str
) -> None:
    assert message(milter, fields, body).reply == reply
    assert not milter.count("check failed")


@pytest.mark.parametrize(
    "hostile",
    [
        b" " + b"(" * 60_000,
        b" \xff\xfe <a@b>",
        b" a@b\n c@d",
        b" =?utf-8?b?DQpYLUV2aWw6IDE=?= <c@other.example>",
        b' "\\\r" <c@other.example>',
        b" " + b"<" * 60_000,
    ],
)
def test_hostile_authors_and_subjects_do_no_harm(milter: Milter, hostile: bytes) -> None:
    fields = [(b"From", hostile), (b"Subject", hostile)]
    outcome = message(milter, fields, b"a" * 200_000 + b"!\r\n" + hostile)
    assert outcome.verdict == b"c"
    for _, name, value in (*outcome.inserted, *outcome.changed):
        assert all(" " <= c <= "~" or c in "\n\t" for c in value), name
        assert "\n" not in value.replace("\n\t", "")
    assert not milter.count("check failed")


def test_a_large_search_does_not_keep_others_waiting(milter: Milter) -> None:
    """While one message is searched, others are answered."""
    with Client(milter.socket, timeout_s=30) as mta:
        mta.connect(address="192.0.2.1")
        mta.helo("other.example")
        mta.mail("c@other.example")
        mta.rcpt("b@example.net")
        mta.step(b"T")
        for name, value in (FROM, (b"Subject", b" you won"), (b"Content-Type", b" text/html")):
            mta.step(b"L", name + b"\0" + value + b"\0")
        mta.step(b"N")
        for _ in range(16):
            mta.step(b"B", b"<p>aa &amp; <b>b</b>\r\n" * 2500)
        mta._send(b"D", b"Ei\x004TESTqueueid\0")
        mta._send(b"E")
        assert send(milter, [FROM, (b"Subject", b" small")]).verdict == b"c"
        assert mta.outcome().verdict == b"c"
