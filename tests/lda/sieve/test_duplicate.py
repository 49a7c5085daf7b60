"""duplicate (RFC 7352)."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from lda.sieve import Context, Plan, compile_script, run_scripts
from lda.sieve.extensions.duplicate import DuplicateOptions, Mark, Seen
from tamis.mail.message import Message
from tests.lda.sieve.play import ALL, ENVELOPE, NOW, errors, findings

MESSAGE = b"Message-ID:  <1@x> \nX-Id: one\nX-Id: two\nSubject: s\n\n"


def play(
    script: str,
    known: Collection[str] = (),
    message: bytes = MESSAGE,
    options: DuplicateOptions | None = None,
) -> Plan:
    """The plan of *script*, where the keys *known* have been seen."""
    compiled = compile_script((ALL + script).encode(), "script")
    context = Context(now=NOW, settings=(options,) if options else ())
    run = run_scripts([compiled], Message(message), ENVELOPE, context)
    try:
        question = next(run)
        while True:
            assert isinstance(question, Seen)
            question = run.send(question.key in known)
    except StopIteration as stop:
        plan: Plan = stop.value
        return plan


def marks(script: str, known: Collection[str] = (), **options: object) -> list[Mark]:
    plan = play(script, known, **options)  # type: ignore[arg-type]
    assert plan.error is None
    return [action for action in plan.actions if isinstance(action, Mark)]


def key(arguments: str = "", message: bytes = MESSAGE) -> str:
    (mark,) = marks(f"if duplicate {arguments} {{ }}", message=message)
    return mark.key


def test_a_new_message_is_none_and_is_remembered() -> None:
    plan = play("if duplicate { discard; }")
    assert plan.implicit_keep
    assert [action.name for action in plan.actions] == ["duplicate_mark"]


def test_one_that_was_seen_is_one_and_its_time_goes_on() -> None:
    plan = play("if duplicate { discard; }", {key()})
    assert [action.name for action in plan.actions] == ["discard"]


def test_with_last_its_time_begins_anew() -> None:
    plan = play("if duplicate :last { discard; }", {key()})
    assert [action.name for action in plan.actions] == ["duplicate_mark", "discard"]


def test_two_tests_in_one_run_agree() -> None:
    plan = play('if duplicate { discard; } if duplicate { fileinto "x"; }')
    assert [action.name for action in plan.actions] == ["duplicate_mark"]


def test_a_run_that_fails_remembers_nothing() -> None:
    plan = play('if duplicate { } error "x";')
    assert plan.error is not None
    assert plan.actions == ()


def test_a_test_that_is_not_evaluated_remembers_nothing() -> None:
    assert marks("if anyof (true, duplicate) { } if allof (false, duplicate) { }") == []


def test_what_makes_two_messages_the_same() -> None:
    assert key() == key(':header "message-id"') == key(':uniqueid "<1@x>"')
    assert key(':header "X-ID"') == key(':uniqueid "one"') != key(':uniqueid "ONE"')
    assert key(':handle "h"') != key() != key(':handle "H"')
    assert key(':uniqueid ""') == key(':uniqueid "${none}"')
    assert key(':seconds 5 :last :handle ""') == key()


@pytest.mark.parametrize("arguments", [':header "none"', ':header "no name"', ':header "a:"'])
def test_without_a_value_it_is_false_and_nothing_is_remembered(arguments: str) -> None:
    assert marks(f"if duplicate {arguments} {{ discard; }}") == []
    assert marks("if duplicate { discard; }", message=b"Subject: x\n\n") == []


def test_how_long() -> None:
    assert [mark.keep_s for mark in marks("if duplicate { }")] == [43_200]
    assert [mark.keep_s for mark in marks("if duplicate :seconds 60 { }")] == [60]
    assert [mark.keep_s for mark in marks("if duplicate :seconds 600000 { }")] == [172_800]
    options = DuplicateOptions(default_period_s=5, max_period_s=10)
    assert [mark.keep_s for mark in marks("if duplicate { }", options=options)] == [5]
    assert [mark.keep_s for mark in marks("if duplicate :seconds 60 { }", options=options)] == [10]


def test_findings() -> None:
    text = "conflicting :header and :uniqueid arguments specified for the duplicate test"
    assert errors(ALL + 'if duplicate :header "a" :uniqueid "b" { }') == [text]
    assert len(findings(ALL + 'if duplicate :header "a b" :seconds 600000 { }')) == 2
