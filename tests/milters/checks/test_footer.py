"""The check footer: whose mail gets it, and what the MTA is told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from milters.checks.footer import Footer
from milters.edited import edited
from tamis.check import Services
from tamis.dns import ZoneResolver
from tamis.mail.message import Message
from tamis.transaction import Findings, Transaction
from tamis.verdict import AddHeader, ChangeHeader, RemoveHeader, ReplaceBody, Verdict

MAIL = b"From: a@example.org\r\nSubject: x\r\n\r\nhello\r\n"
SERVICES = Services(cast("Any", None), ZoneResolver({}), lambda: 0.0, "mx.test")


@pytest.fixture
def texts(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "t").write_text("-- \nMail of {sender_local}, {sender_domain}\n")
    (tmp_path / "h").write_text("<p>Mail of <b>{sender_local}</b></p>\n")
    return {"text": tmp_path / "t", "html": tmp_path / "h"}


def ask(check: Footer, raw: bytes = MAIL, findings: Findings | None = None, **known: Any) -> Verdict:
    envelope = {"sender": "a@example.org", "recipients": ("b@example.net",), "sasl_username": "a"} | known
    txn = Transaction(message=Message(raw), findings=findings or Findings(), **envelope)
    return asyncio.run(check.run(txn, SERVICES))


def body(verdict: Verdict) -> bytes:
    return next((edit.body for edit in verdict.edits if isinstance(edit, ReplaceBody)), b"")


def test_the_text_is_filled_in_and_below(texts: dict[str, Any]) -> None:
    assert body(ask(Footer(**texts))) == b"hello\r\n\r\n-- \r\nMail of a, example.org\r\n"


def test_values_are_no_markup(texts: dict[str, Any]) -> None:
    html = MAIL.replace(b"\r\n\r\n", b"\r\nContent-Type: text/html\r\n\r\n", 1)
    assert b"<b>&lt;i&gt;&amp;</b>" in body(ask(Footer(**texts), html, sender="<i>&@example.org"))


def test_one_file_is_enough(texts: dict[str, Any]) -> None:
    html = MAIL.replace(b"\r\n\r\n", b"\r\nContent-Type: text/html\r\n\r\n", 1)
    assert b"<div>-- <br>\r\nMail of a, example.org</div>" in body(ask(Footer(text=texts["text"]), html))
    assert body(ask(Footer(html=texts["html"]))) == b"hello\r\n\r\nMail of a\r\n"


@pytest.mark.parametrize(
    ("options", "known", "wanted"),
    [
        ({"direction": "out"}, {}, True),
        ({"direction": "out"}, {"sasl_username": ""}, False),
        ({"direction": "out"}, {"sasl_username": "", "client_address": "127.0.0.1"}, True),
        ({"direction": "in"}, {"sasl_username": "", "client_address": "192.0.2.1"}, True),
        ({"senders": ("@example.org",)}, {}, True),
        ({"senders": ("@example.org", "!a@example.org")}, {}, False),
        ({"senders": ("@.org",)}, {}, True),
        ({"senders": ("@ample.org",)}, {}, False),
        ({"recipients": ("!@example.net",)}, {}, False),
        ({"recipients": ("!@example.net",)}, {"recipients": ("b@example.net", "c@example.com")}, True),
        ({}, {"sender": ""}, False),
        ({"automatic": "change"}, {"sender": ""}, True),
    ],
)
def test_only_mail_that_is_meant(
    texts: dict[str, Any], options: dict[str, Any], known: dict[str, Any], wanted: bool
) -> None:
    assert bool(ask(Footer(**texts, **options), **known).edits) is wanted


@pytest.mark.parametrize(
    ("field", "why"),
    [
        (b"Auto-Submitted: auto-replied", "automatic"),
        (b"List-Id: <l.example.net>", "automatic"),
        (b"DKIM-Signature: v=1", "signed"),
        (b"Content-Type: application/pkcs7-mime", "sealed"),
        (b"Content-Type: image/png", "no_text"),
    ],
)
def test_what_is_left_alone_says_why(texts: dict[str, Any], field: bytes, why: str) -> None:
    verdict = ask(Footer(**texts), field + b"\r\n" + MAIL)
    assert (verdict.reason, verdict.edits) == (why, ())


def test_sealed_mail_can_be_wrapped(texts: dict[str, Any]) -> None:
    raw = b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n" + MAIL
    verdict = ask(Footer(**texts, sealed="wrap"), raw)
    message = edited(Message(raw), verdict.edits)
    assert [str(part.content_type) for part in message.view.root.parts] == [
        "application/pkcs7-mime",
        "text/plain",
    ]
    assert RemoveHeader("content-transfer-encoding", 1) in verdict.edits


def test_a_second_footer_goes_below_the_first_and_a_third_of_the_same_nowhere(texts: dict[str, Any]) -> None:
    findings = Findings()
    foreign = texts["text"].with_name("f")
    foreign.write_text("Grüße")
    for check in (Footer(**texts), Footer(text=foreign)):
        verdict = ask(check, findings=findings)
        findings.add("footer", verdict)
    assert ChangeHeader("Content-Transfer-Encoding", 1, "quoted-printable") in verdict.edits
    message = edited(Message(MAIL), findings.edits)
    assert message.view.words == ("hello\r\n\r\n-- \r\nMail of a, example.org\r\n\r\nGrüße\r\n",)
    assert ask(Footer(text=foreign), findings=findings).reason == "twice"


def test_it_is_put_into_what_other_checks_have_made(texts: dict[str, Any]) -> None:
    findings = Findings()
    findings.edits += [ReplaceBody(b"other\r\n"), AddHeader("Auto-Submitted", "no")]
    assert body(ask(Footer(**texts), findings=findings)).startswith(b"other\r\n\r\n-- ")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{nosuch}", "{nosuch} is no placeholder"),
        ("", "is empty"),
        ("x" * 900, "a line has more than"),
        ("a\x00b", "control characters"),
    ],
)
def test_files_that_are_unfit_are_problems(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "f"
    path.write_text(content)
    assert any(problem in found for found in Footer(text=path).problems())
    assert any("cannot be read" in found for found in Footer(text=tmp_path / "none").problems())
    assert any("a file must be named" in found for found in Footer().problems())


def test_large_messages_stay_as_they_are(texts: dict[str, Any]) -> None:
    large = MAIL + b"x" * 5000
    assert ask(Footer(**texts, largest=cast("Any", 2048)), large).reason == "large"
    assert body(ask(Footer(**texts), MAIL + b"x\r\n" * 100_000)).endswith(b"example.org\r\n")
