"""Conditions of rules on whole messages: what each looks at, and what the configuration refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from milters.checks.content import Content
from milters.rules.part import PartWhen
from milters.rules.rule import Rule
from milters.rules.seen import Seen
from milters.rules.when import When
from tamis.mail.message import Message
from tamis.transaction import Findings, Transaction
from tests.growth import assert_linear
from tests.milters.rules.world import judged, problems

MESSAGE = (
    b"Received: from a\r\n"
    b"From: Ann <a@example.org>\r\n"
    b"Subject: =?utf-8?q?You_w=C3=B6n?=\r\n a  prize\r\n"
    b"X-Empty:\r\n"
    b"X-Twice: one\r\nx-twice: two\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=ISO-8859-1\r\n\r\nf\xfcr dich\r\n"
    b"--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"<p>claim <b>y</b>our</p><script>evil()</script> pr=\r\nize=3D1\r\n"
    b'--b\r\nContent-Type: application/zip; name="ok.txt"\r\nContent-Disposition: attachment;\r\n'
    b" filename*0*=utf-8''%F0%9F%98; filename*1*=%80.exe\r\nContent-Transfer-Encoding: base64\r\n\r\nUEs=\r\n"
    b"--b--\r\n"
)


def when(**conditions: Any) -> When:
    """Texts and numbers as the file writes them."""

    def made(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: made(one) for name, one in value.items()}
        return value if isinstance(value, tuple | bool | PartWhen) or value is None else (str(value),)

    return When(**{key: made(value) for key, value in conditions.items()})


def holds(conditions: When, raw: bytes = MESSAGE, **known: Any) -> bool:
    assert not list(conditions.problems())
    check = Content(rule=(Rule(name="r", when=conditions, score=1),))
    return judged(check, raw, **known).score == 1


@pytest.mark.parametrize(
    ("conditions", "wanted"),
    [
        ({"header": {"subject": "/^you wön a/"}}, True),
        ({"header": {"subject": "YOU WÖN a  prize"}}, True),
        ({"header": {"subject": "/q=C3/"}}, False),
        ({"raw_header": {"subject": "/w=C3=B6n\\?=\\r\\n a/"}}, True),
        ({"header": {"x-empty": ""}}, True),
        ({"header": {"x-none": ""}}, True),
        ({"header": {"x-none": "!"}}, False),
        ({"header": {"subject": "!"}}, True),
        ({"header": {"x-twice": "two"}}, True),
        ({"header": {"x-twice": "!two"}}, False),
        ({"header": {"x-twice": ("/o/", "!three")}}, True),
        ({"header_count": {"x-twice": 2}}, True),
        ({"header_count": {"x-twice": ">2"}}, False),
        ({"header_length": {"subject": "20..60"}}, True),
        ({"header_name": "/^x-t/"}, True),
        ({"header_name": "!x-twice"}, False),
        ({"fields": 7}, True),
        ({"header_size": "<1KiB"}, True),
        ({"body": "/für dich/"}, True),
        ({"body": "/FÜR/"}, True),
        ({"body": "/FÜR/i"}, False),
        ({"body": "/claim y our prize=1/"}, True),
        ({"body": "/evil/"}, False),
        ({"html": "/<script>evil/"}, True),
        ({"html": "/dich/"}, False),
        ({"parts": 4}, True),
        ({"depth": 1}, True),
        ({"too_complex": False}, True),
        ({"part": PartWhen(type=("application/zip",))}, True),
        ({"part": PartWhen(filename=("/\\.exe$/",))}, True),
        ({"part": PartWhen(filename=("ok.txt",))}, True),
        ({"part": PartWhen(filename=("/\\.exe$/",), type=("text/html",))}, False),
        ({"part": PartWhen(charset=("iso-8859-1",))}, True),
        ({"part": PartWhen(encoding=("base64",), disposition=("attachment",))}, True),
        ({"part": PartWhen(size=(">100",), type=("/^text/",))}, False),
        ({"size": ">100"}, True),
        ({"sender": "example.org"}, True),
        ({"sender": "!example.org"}, False),
        ({"sender": "<>"}, False),
        ({"recipient": "example.net"}, True),
        ({"recipient": "!b@example.net"}, False),
        ({"client_address": "192.0.2.0/24"}, True),
        ({"client_address": ("!192.0.2.0/24",)}, False),
        ({"sasl_username": ""}, True),
        ({"sasl_username": "!"}, False),
        ({"check": {"other": "pass"}}, False),
        ({"check": {"other": "!x"}}, False),
    ],
)
def test_each_condition_looks_at_its_own(conditions: dict[str, Any], wanted: bool) -> None:
    assert holds(when(**conditions)) is wanted


def test_one_of_several_recipients_fits_and_with_a_mark_none_may() -> None:
    many = ("x@a.example", "y@b.example")
    assert holds(when(recipient="b.example"), recipients=many)
    assert not holds(when(recipient="!b.example"), recipients=many)


def test_findings_of_earlier_checks() -> None:
    found = Findings(score=3, tags={"bulk"}, results={"spf": ("pass", "softfail"), "dkim": ("pass", "")})
    for conditions in ({"score": ">=3"}, {"tag": "bulk"}, {"check": {"spf": "softfail", "dkim": "pass"}}):
        assert holds(when(**conditions), findings=found)
    assert not holds(when(tag="!bulk"), findings=found)


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        ("lookalike", True),
        ("protected_name", True),
        ("/^prot/", True),
        ("name", False),
        ("!lookalike", False),
    ],
)
def test_of_several_findings_of_a_check_one_is_enough(texts: str, wanted: bool) -> None:
    found = Findings(results={"from": ("pass", "lookalike,protected_name")})
    assert holds(when(check={"from": texts}), findings=found) is wanted


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"no header", b"Content-Type: multipart/mixed\r\n\r\n", b"\0\xff"]
)
def test_any_message_can_be_asked_about(raw: bytes) -> None:
    assert holds(
        when(body="!/x/", html="!/x/", header={"from": ""}, parts=1, depth=0, too_complex=False), raw
    )


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ('body = "lottery"', "must be an expression: /lottery/"),
        ('body = "/(/"', "RE2 says"),
        ('body = "/(a)\\\\1/"', "RE2 says"),
        ('body = "/a{1001}/"', "RE2 says"),
        ('header.subject = "/x"', "no /pattern/"),
        ('header."a b" = "x"', "no name of a header field"),
        ('size = "big"', 'such as "25MiB"'),
        ('size = "9..5"', "empty range"),
        ('client_address = "192.0.2.1/24"', "no network"),
        ('sender = "@example.org"', "write example.org"),
        ('client_name = "a@example.org"', "names of hosts"),
        ('tag = "a b"', "no tag"),
        ("part = {}", "names no condition"),
        ('part.filename = "/("', "no /pattern/"),
        ('check.nosuch = "x"', "nosuch"),
        ('subject = "x"', "subject"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_key(tmp_path: Path, table: str, sentence: str) -> None:
    key = table.split(" = ", maxsplit=1)[0].split(".", maxsplit=1)[0]
    text = f'[[milter.checks.content.rule]]\nname = "r"\nscore = 1\nwhen.{table}\n'
    said = problems(tmp_path, text)
    assert sentence in said
    assert key in said
    assert ":4:" in said or "line 4" in said or "rule" in said


def all_tried(conditions: When) -> Callable[[bytes], None]:
    """What tries each of the conditions on a message, in this thread."""

    def tried(raw: bytes) -> None:
        seen = Seen(Transaction(message=Message(raw)))
        assert not any(condition(seen) for condition in conditions.conditions)

    return tried


def test_the_worst_patterns_on_the_worst_texts_take_linear_time() -> None:
    def hostile(n: int) -> bytes:
        return b"Subject: " + b"a" * (n // 16) + b"!\r\n\r\n" + b"a" * n + b"!\r\n"

    conditions = when(
        header={"subject": ("/^(a+)+$/", "/(a|a)*b/", "/(.*)*x/")}, body=("/(a+)+$/", "/(x+x+)+y/")
    )
    assert not holds(conditions, hostile(1_000_000))
    assert_linear(all_tried(conditions), hostile, 125_000)


def test_ten_thousand_fields_and_a_hundred_thousand_parts_are_judged_in_linear_time() -> None:
    def crowded(n: int) -> bytes:
        fields = b"".join(b"X-%d: =?utf-8?q?a?=\r\n" % k for k in range(n)) + b"Subject: x\r\n" * (n // 10)
        parts = b"--b\r\nContent-Type: text/html\r\n\r\n<p>hi\r\n" * (11 * n)
        return fields + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + parts

    conditions = when(
        header={"subject": "/nothing/"},
        header_name="/nothing/",
        body="/nothing/",
        part=PartWhen(filename=("x",)),
    )
    assert not holds(conditions, crowded(9000))
    assert holds(when(too_complex=True), crowded(9000))
    assert_linear(all_tried(conditions), crowded, 1125)


def test_deep_nesting_is_too_complex_and_no_crash() -> None:
    raw = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3000)
    )
    assert holds(when(too_complex=True, depth=20), raw)
    assert holds(when(too_complex=True), b"Content-Type: message/rfc822\r\n\r\n" * 3000)
