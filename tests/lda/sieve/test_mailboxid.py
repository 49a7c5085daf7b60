"""mailboxid (RFC 9042)."""

from __future__ import annotations

import pytest

from lda.sieve import Answer, FileInto, Question
from lda.sieve.extensions.mailboxid import MailboxWithId
from lda.sieve.extensions.special_use import SpecialUse
from tests.lda.sieve.answers import play
from tests.lda.sieve.play import ALL, errors, findings, names

IDS = {"F1": "Lists.Tamis", "f2": "Other"}


def answer(question: Question) -> Answer:
    if isinstance(question, SpecialUse):
        return "Spam"
    assert isinstance(question, MailboxWithId)
    return IDS.get(question.object_id, "")


def filed(script: str) -> list[tuple[str, bool]]:
    plan = play(script, answer)
    assert plan.error is None
    return [(action.mailbox, action.create) for action in plan.actions if isinstance(action, FileInto)]


@pytest.mark.parametrize(
    ("ids", "result"),
    [
        ('"F1"', True),
        ('["F1", "f2"]', True),
        ('["F1", "F2"]', False),
        ('"f1"', False),
        ('""', False),
        ('"a b"', False),
    ],
)
def test_mailboxidexists_is_true_if_there_is_a_mailbox_for_each(ids: str, result: bool) -> None:
    assert (names(play(f"if mailboxidexists {ids} {{ discard; }}", answer)) == ["discard"]) is result


def test_the_message_goes_to_the_mailbox_with_the_id_and_else_to_the_one_named() -> None:
    assert filed('fileinto :mailboxid "F1" "x";') == [("Lists.Tamis", False)]
    assert filed('fileinto :mailboxid "F9" "x";') == [("x", False)]
    assert filed('set "i" "f2"; fileinto :create :mailboxid "${i}" "x";') == [("Other", True)]
    assert filed('fileinto :mailboxid "F9" :create "x";') == [("x", True)]


def test_an_id_and_a_special_use_exclude_each_other() -> None:
    text = 'fileinto :mailboxid "F1" :specialuse "\\\\Junk" "x";'
    assert errors(ALL + text) == ["conflicting :mailboxid and :specialuse arguments"]


def test_what_is_no_id_is_a_warning() -> None:
    texts = [d.text for d in findings(ALL + 'fileinto :mailboxid "ä" "x"; if mailboxidexists "" { keep; }')]
    assert texts == ["'ä' is no mailbox id", "'' is no mailbox id"]


def test_the_tag_needs_its_extension() -> None:
    assert errors('require "fileinto"; fileinto :mailboxid "F1" "x";')
