from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.errors import PermFail, SieveError, TempFail
from tamis.outcome import (
    EX_TEMPFAIL,
    MAX_TEXT_BYTES,
    TABLE,
    clean,
    exit_status,
    from_exception,
    long_reply,
    sentence,
    smtp_reply,
    status_of,
)
from tamis.verdict import PASS, Kind, Verdict, defer, passed, reject

ANYTHING = st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF, exclude_categories=()))
KINDS = st.sampled_from(Kind)


def test_every_kind_has_a_row() -> None:
    assert set(TABLE) == set(Kind)


@pytest.mark.parametrize(
    ("exc", "verdict"),
    [
        (TempFail("4.2.2", "Mailbox full"), defer("4.2.2", "Mailbox full", "tempfail")),
        (PermFail("5.1.1", "No such user"), reject("5.1.1", "No such user", "permfail")),
        (TimeoutError(), defer("4.3.0", "Timed out, try again later", "timeout")),
        (SieveError("line 1: secret"), defer("4.3.0", "Internal error, try again later", "sieve")),
        (ZeroDivisionError("/srv/secret"), defer("4.3.0", "Internal error, try again later", "bug")),
        (OSError(28, "No space left"), defer("4.3.0", "Internal error, try again later", "bug")),
    ],
)
def test_a_failure_becomes_a_verdict_and_a_defect_tells_nobody_its_details(
    exc: Exception, verdict: Verdict
) -> None:
    assert from_exception(exc) == verdict


@given(st.sampled_from([RuntimeError, OSError, ValueError, KeyError, MemoryError, RecursionError]), ANYTHING)
def test_no_defect_bounces_mail(kind: type[Exception], text: str) -> None:
    """pipe(8) bounces on every exit status but 71 and 75."""
    assert exit_status(from_exception(kind(text))) == EX_TEMPFAIL == 75


@given(ANYTHING, st.integers(0, 600))
def test_cleaned_text_is_printable_ascii_and_bounded(text: str, limit: int) -> None:
    assert re.fullmatch(r"[ -~]*", clean(text, limit))
    assert len(clean(text, limit)) == min(len(text), limit)


@given(KINDS, st.text("0123456789.", max_size=12) | st.sampled_from(["5.7.1", "4.3.0", "2.0.0"]), ANYTHING)
def test_a_reply_is_one_line_of_smtp_with_a_status_of_its_class_and_never_bare(
    kind: Kind, status: str, text: str
) -> None:
    """A bare status crashed Postfix (CVE-2026-43964), and a malformed reply made it read past its end."""
    reply = smtp_reply(Verdict(kind, status, text))
    match = re.fullmatch(r"([245])\d\d ([245])\.\d{1,3}\.\d{1,3} [ -~]*[!-~][ -~]*", reply)
    assert match is not None
    assert match[1] == match[2]
    assert len(reply) + 2 <= 512


@pytest.mark.parametrize(
    ("verdict", "reply"),
    [
        (defer("4.2.2", "x"), "452 4.2.2 x"),
        (reject("5.2.2", "x"), "552 5.2.2 x"),
        (reject("5.3.4", "x"), "552 5.3.4 x"),
        (defer("5.2.2", "x"), "451 4.3.0 x"),
        (reject("5.1.1", "x"), "550 5.1.1 x"),
    ],
)
def test_a_full_mailbox_has_a_code_of_its_own(verdict: Verdict, reply: str) -> None:
    """For those who read no enhanced status (RFC 5321 section 4.2.3), in a reply of one line and of several."""
    assert smtp_reply(verdict) == long_reply(verdict) == reply


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (reject("5.1.1", "x"), "5.1.1"),
        (reject("4.1.1", "x"), "5.7.1"),
        (defer("5.1.1", "x"), "4.3.0"),
        (defer("4.7.1", "x"), "4.7.1"),
        (PASS, "2.0.0"),
        (reject("5.1.1 ", "x"), "5.7.1"),
        (reject("5.1.1\n", "x"), "5.7.1"),
        (reject("5.1234.1", "x"), "5.7.1"),
        (reject("", "x"), "5.7.1"),
    ],
)
def test_a_status_that_contradicts_its_verdict_is_replaced(verdict: Verdict, status: str) -> None:
    assert status_of(verdict) == status


def test_a_status_has_ascii_digits() -> None:
    assert status_of(reject("5.\u0661.1", "x")) == "5.7.1"


def test_a_sentence_without_words_says_what_it_is() -> None:
    assert sentence(reject("5.7.1", "  ")) == "5.7.1 reject"


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (PASS, 0),
        (passed(reason="x"), 0),
        (Verdict(Kind.DISCARD), 0),
        (Verdict(Kind.HOLD), 0),
        (defer("4.2.2", "x"), 75),
        (reject("5.1.1", "x"), 67),
        (reject("5.7.1", "x"), 69),
    ],
)
def test_exit_statuses_are_those_of_sysexits(verdict: Verdict, status: int) -> None:
    assert exit_status(verdict) == status


def test_a_pass_is_dunno_and_a_deferral_leaves_room_for_a_reject() -> None:
    """OK would jump over what the admin wrote after us."""
    words = {kind.value: row.policy for kind, row in TABLE.items()}
    assert words == {
        "pass": "DUNNO",
        "discard": "DISCARD",
        "hold": "HOLD",
        "defer": "DEFER_IF_PERMIT",
        "reject": "REJECT",
    }


def test_the_longest_reply_fits_a_line_of_smtp() -> None:
    longest = smtp_reply(reject("5.999.999", "x" * 10_000))
    assert len(longest) == len("550 5.999.999 ") + MAX_TEXT_BYTES
