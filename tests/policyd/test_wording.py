"""Replies in an admin's words: what is refused when the configuration loads, and how the rest is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.protocol import encode
from policyd.reply import policy_action
from policyd.wording import parse, problems
from tamis.transaction import Stage
from tamis.verdict import Kind

KNOWN = ("recipient", "sender", "retry_after")
VALUES = {"recipient": "bob@example.com", "sender": "alice@example.org", "retry_after": "5 minutes"}


def told(reply: str, **values: str) -> str:
    return policy_action(parse(reply).verdict(VALUES | values, "test"), Stage.RCPT)


@pytest.mark.parametrize(
    ("reply", "action"),
    [
        ("REJECT", "REJECT 5.7.1 Access denied"),
        ("reject no", "REJECT 5.7.1 no"),
        ("REJECT 5.7.26 no", "REJECT 5.7.26 no"),
        ("DEFER try later", "DEFER 4.7.1 try later"),
        ("DEFER_IF_REJECT try later", "DEFER_IF_REJECT 4.7.1 try later"),
        (
            "DEFER_IF_PERMIT 4.7.1 {sender} may go on in {retry_after}",
            "DEFER_IF_PERMIT 4.7.1 alice@example.org may go on in 5 minutes",
        ),
        ("450 4.7.1 later", "450 4.7.1 later"),
        ("450 later", "450 4.7.1 later"),
        ("550 {recipient} wants none", "550 5.7.1 bob@example.com wants none"),
        ("421 4.7.0 good bye", "421 4.7.0 good bye"),
        ("HOLD", "HOLD"),
        ("HOLD {sender} is over its limit", "HOLD alice@example.org is over its limit"),
        ("DISCARD", "DISCARD"),
        ("PREPEND X-Limit: reached by {sender}", "PREPEND X-Limit: reached by alice@example.org"),
        ("  REJECT   5.7.1   much space  ", "REJECT 5.7.1 much space"),
    ],
)
def test_a_good_reply_is_told_as_written(reply: str, action: str) -> None:
    assert list(problems(reply, [Stage.RCPT], KNOWN)) == []
    assert told(reply) == action


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        ("", "PERMIT"),
        ("   ", "PERMIT"),
        ("450", "digits only"),
        (" 550 ", "digits only"),
        ("1 2", "digits only"),
        ("REJECT a\nb", "printable"),
        ("REJECT a\rb", "printable"),
        ("REJECT a\0b", "printable"),
        ("REJECT a\tb", "printable"),
        ("REJECT caf\u00e9", "printable"),
        ("REJCT no", "did you mean REJECT?"),
        ("permit_mynetworks, reject", "no action of access(5)"),
        ("250 fine", "4NN or 5NN"),
        ("650 what", "4NN or 5NN"),
        ("OK", "lets the message pass"),
        ("RELAY", "lets the message pass"),
        ("DUNNO", "lets the message pass"),
        ("FILTER smtp", "TRANSPORT:DESTINATION"),
        ("REDIRECT {sender}@x.example", "no remote value"),
        ("BCC x@", "an address"),
        ("REJECT 5.7.1", "bare status code"),
        ("450 4.7.1", "bare status code"),
        ("450 4.7.1 {recipient}", "bare status code"),
        ("REJECT {sender}", "bare status code"),
        ("450 5.7.1 later", "does not fit"),
        ("REJECT 4.7.1 no", "does not fit"),
        ("PREPEND nothing", "NAME: VALUE"),
        ("PREPEND X Y: z", "NAME: VALUE"),
        ("PREPEND X-For: sent to {recipient}", "blind copies"),
        ("REJECT no {nobody}", "no placeholder"),
        ("REJECT no {", "brace"),
        ("REJECT no {sender!r}", "brace"),
        ("REJECT no {sender.__class__}", "brace"),
        ("REJECT no {{sender}}", "brace"),
        ("REJECT " + "x" * 400, "longer than"),
    ],
)
def test_a_reply_that_postfix_would_misread_is_refused(reply: str, sentence: str) -> None:
    assert sentence in "\n".join(problems(reply, [Stage.RCPT], KNOWN))


@pytest.mark.parametrize(
    ("reply", "stage", "fits"),
    [
        ("PREPEND X-A: late", Stage.END_OF_MESSAGE, False),
        ("PREPEND X-A: late", Stage.ETRN, False),
        ("PREPEND X-A: good", Stage.DATA, True),
        ("HOLD", Stage.ETRN, False),
        ("REDIRECT a@b", Stage.ETRN, False),
        ("WARN look", Stage.ETRN, True),
        ("DISCARD", Stage.VRFY, False),
        ("HOLD", Stage.END_OF_MESSAGE, True),
        ("REJECT no", Stage.ETRN, True),
    ],
)
def test_an_action_without_effect_at_its_stage_is_refused(reply: str, stage: Stage, fits: bool) -> None:
    found = list(problems(reply, [Stage.RCPT, stage], KNOWN))
    assert (found == []) is fits, found


@pytest.mark.parametrize(
    "value", ["", " ", "4.7.1", "\r\naction=OK\n\n", "{recipient}", "\udce9" * 300, "450"]
)
def test_values_from_outside_change_neither_the_word_nor_the_code(value: str) -> None:
    action = told("450 {sender} waits", sender=value)
    assert action.startswith("450 4.7.1 ")
    assert action.endswith(" waits")
    assert "\n" not in action
    assert len(action) < 200


def test_a_reply_keeps_its_kind_for_hosts_that_do_not_speak_access5() -> None:
    assert parse("450 4.7.1 later").verdict(VALUES, "x").kind is Kind.DEFER
    assert parse("521 no").verdict(VALUES, "x").kind is Kind.REJECT
    assert parse("PREPEND X-A: b").verdict(VALUES, "x").kind is Kind.PASS


@given(
    st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_]{1,9} ?[0-9.]{0,6} ?[a-z{} ]{0,20}", fullmatch=True)
)
def test_every_reply_that_is_not_refused_can_be_sent(reply: str) -> None:
    if not list(problems(reply, [Stage.RCPT], KNOWN)):
        action = told(reply)
        assert encode(action)
        assert action.split()[0] == reply.split(maxsplit=1)[0].upper()
