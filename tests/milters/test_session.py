"""A session collects what the MTA tells: bytes as they came, one message at a time."""

from __future__ import annotations

import pytest

from milters.session import CONTINUE, Answer, Session, address, answer
from tamis.errors import PermFail, TempFail
from tamis.pipeline import Decision, Result
from tamis.verdict import PASS, AddHeader, Kind, Verdict, defer, passed, reject


def test_the_message_is_rebuilt_byte_for_byte() -> None:
    session = Session()
    session.mail("<a@example.org>", "", "")
    session.header("Subject", b" folded\n\ttwice\r\n three")
    session.header("X", b"no blank")
    session.end_of_header()
    session.body(b"body\r\n")
    session.body(b".\0\xff\r\n")
    wanted = b"Subject: folded\r\n\ttwice\r\n three\r\nX:no blank\r\n\r\nbody\r\n.\0\xff\r\n"
    assert bytes(session.finish().raw) == wanted


def test_a_continuation_without_a_blank_gets_one_and_is_no_field() -> None:
    session = Session()
    session.header("A", b" 1\nAuthentication-Results: mx; spf=pass")
    assert len(session.finish().headers) == 1


def test_a_new_message_knows_nothing_of_the_last() -> None:
    session = Session()
    session.connect("mx.example.net", "192.0.2.1", "mx.example.net")
    session.mail("<a@example.org>", "login", "PLAIN")
    session.rcpt("<b@example.net>")
    session.failure = ValueError()
    session.mail("<>", "", "")
    txn = session.transaction()
    assert (txn.sender, txn.recipients, txn.sasl_username, session.failure) == ("", (), "", None)
    assert txn.client_address == "192.0.2.1"


@pytest.mark.parametrize("name", ["A B", "", "Ä", "A\r"])
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(PermFail):
        Session().header(name, b" x")


def test_a_long_name_is_no_reason_to_refuse() -> None:
    session = Session()
    session.header("X-" + "y" * 500, b" z")
    assert len(session.finish().headers) == 1


def test_recipients_are_bounded() -> None:
    session = Session()
    for _ in range(10_000):
        session.rcpt("<a@example.org>")
    with pytest.raises(TempFail):
        session.rcpt("<a@example.org>")


@pytest.mark.parametrize(
    ("path", "plain"),
    [("<a@b>", "a@b"), ("a@b", "a@b"), ("<>", ""), (" <a@b> ", "a@b"), ("<" + "x" * 2000 + ">", "x" * 1024)],
)
def test_brackets_are_not_part_of_an_address(path: str, plain: str) -> None:
    assert address(path) == plain


@pytest.mark.parametrize(
    ("verdict", "wanted"),
    [
        (PASS, CONTINUE),
        (defer("4.7.1", "later"), Answer("TEMPFAIL", "451", "4.7.1", "later")),
        (reject("5.7.1", "never\r\n250 ok"), Answer("REJECT", "550", "5.7.1", "never??250 ok")),
        (reject("2.0.0", ""), Answer("REJECT", "550", "5.7.1", "reject")),
        (Verdict(Kind.DISCARD), Answer("DISCARD")),
        (Verdict(Kind.HOLD, text="look"), Answer("CONTINUE", quarantine="look")),
    ],
)
def test_a_verdict_is_told_in_full_or_not_at_all(verdict: Verdict, wanted: Answer) -> None:
    assert answer(Decision(verdict, (Result("check", verdict),))) == wanted


def test_edits_are_for_messages_that_pass() -> None:
    assert answer(Decision(passed(AddHeader("X", "y")))).operations
    refused = Verdict(Kind.REJECT, "5.7.1", "no", edits=(AddHeader("X", "y"),))
    assert not answer(Decision(refused)).operations


def test_a_recipient_who_was_refused_is_none() -> None:
    session = Session()
    session.mail("<a@example.org>", "", "")
    session.rcpt("<b@example.net>", "smtp")
    session.rcpt("<c@example.net>", "virtual")
    session.refused()
    txn = session.transaction()
    assert (txn.recipients, txn.mailers) == (("b@example.net",), ("smtp",))
