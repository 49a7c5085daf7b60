"""The report of success (RFC 3461, 3464) that a sender asked for."""

from __future__ import annotations

import email
from datetime import UTC, datetime
from email.message import Message as Parsed

import pytest

from lda import success
from lda.envelope import Envelope
from lda.sieve.terms import Terms
from tamis.mail.message import Message

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RAW = b"From: a@b\nSubject: x\n\nthe body\n"


def envelope(**terms: object) -> Envelope:
    asked = Terms(**{"notify": ("SUCCESS", "DELAY"), **terms})  # type: ignore[arg-type]
    return Envelope(user="u@b", sender="s@a", recipient="u+x@b", queue_id="4ABC", terms=asked)


def parts(told: Envelope, raw: bytes = RAW, *, relayed: bool = False) -> list[Parsed]:
    letter = success.report(told, Message(raw), "mx.example", NOW, relayed=relayed)
    assert (letter.sender, letter.recipient, letter.terms.notify) == ("", "s@a", ("NEVER",))
    report = email.message_from_bytes(letter.raw)
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    assert report["Auto-Submitted"] == "auto-replied"
    payload = report.get_payload()
    assert isinstance(payload, list)
    return payload


def test_it_names_the_recipient_by_every_name() -> None:
    text, status, returned = parts(envelope(orcpt="rfc822;alias@b", envid="E 1"))
    message, recipient = status.get_payload()
    assert dict(message.items()) == {"Reporting-MTA": "dns; mx.example", "Original-Envelope-Id": "E 1"}
    assert dict(recipient.items()) == {
        "Original-Recipient": "rfc822; alias@b",
        "Final-Recipient": "rfc822; u+x@b",
        "Action": "delivered",
        "Status": "2.0.0",
    }
    assert "u+x@b" in text.get_payload()
    assert returned.get_content_type() == "text/rfc822-headers"
    assert "the body" not in returned.get_payload()


def test_what_only_went_on_is_relayed() -> None:
    assert parts(envelope(), relayed=True)[1].get_payload()[1]["Action"] == "relayed"


def test_the_whole_message_comes_back_only_if_wanted_and_small() -> None:
    small, large = RAW, RAW + b"x" * success.MAX_RETURNED_BYTES
    assert parts(envelope(ret="FULL"), small)[2].get_content_type() == "message/rfc822"
    assert parts(envelope(ret="FULL"), large)[2].get_content_type() == "text/rfc822-headers"
    assert parts(envelope(ret="HDRS"), small)[2].get_content_type() == "text/rfc822-headers"


@pytest.mark.parametrize("notify", [(), ("NEVER",), ("FAILURE", "DELAY")])
def test_nobody_gets_one_who_did_not_ask(notify: tuple[str, ...]) -> None:
    assert not success.wanted(envelope(notify=notify))


def test_a_bounce_gets_none() -> None:
    told = envelope()
    assert success.wanted(told)
    assert not success.wanted(Envelope(user="u@b", sender="", terms=told.terms))


def test_no_line_of_the_report_is_made_by_the_sender() -> None:
    """Whatever an envelope holds, it ends no field."""
    told = envelope(envid="E\r\nAction: failed", orcpt="rfc822;a\r\nStatus: 5.0.0")
    message, recipient = parts(told)[1].get_payload()
    assert set(message.keys()) == {"Reporting-MTA", "Original-Envelope-Id"}
    assert recipient.get_all("Status") == ["2.0.0"]
