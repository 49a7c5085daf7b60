"""special-use (RFC 8579)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lda.sieve import Context, FileInto, MailboxExists, Plan, compile_script, run_scripts
from lda.sieve.extensions.special_use import SpecialUse
from tamis.mail.message import Message
from tests.lda.sieve.play import ALL, ENVELOPE, MESSAGE, NOW, errors, names

USES: Mapping[str, str] = {"\\junk": "Spam", "\\sent": "Sent"}


def play(script: str) -> Plan:
    compiled = compile_script((ALL + script).encode(), "script")
    run = run_scripts([compiled], Message(MESSAGE), ENVELOPE, Context(now=NOW))
    try:
        question = next(run)
        while True:
            if isinstance(question, MailboxExists):
                question = run.send(question.mailbox in USES.values())
                continue
            assert isinstance(question, SpecialUse)
            found = USES.get(question.flag, "")
            question = run.send(found if question.mailbox in {"", found} else "")
    except StopIteration as stop:
        plan: Plan = stop.value
        return plan


def filed(script: str) -> list[tuple[str, bool]]:
    plan = play(script)
    assert plan.error is None
    return [(action.mailbox, action.create) for action in plan.actions if isinstance(action, FileInto)]


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        (r'"\\Junk"', True), (r'["\\Junk", "\\SENT"]', True), (r'["\\Junk", "\\Drafts"]', False),
        (r'"Spam" "\\Junk"', True), (r'"Spam" ["\\Junk", "\\Sent"]', False), (r'"Other" "\\Junk"', False),
        (r'"" "\\Junk"', False), (r'"${none}Junk"', False),
    ],
)  # fmt: skip
def test_specialuse_exists(arguments: str, result: bool) -> None:
    assert (names(play(f"if specialuse_exists {arguments} {{ discard; }}")) == ["discard"]) is result


def test_the_message_goes_where_the_use_is_and_else_where_it_is_told() -> None:
    assert filed(r'fileinto :specialuse "\\Junk" "INBOX.x";') == [("Spam", False)]
    assert filed(r'fileinto :specialuse "\\Drafts" "INBOX.x";') == [("INBOX.x", False)]
    assert filed(
        r'fileinto :create :specialuse "\\Drafts" "x"; fileinto :specialuse "\\junk" :create "y";'
    ) == [
        ("x", True),
        ("Spam", True),
    ]


def test_flags_are_checked() -> None:
    assert errors(ALL + 'fileinto :specialuse "Junk" "x";') == [
        "specialuse tag: invalid special-use flag 'Junk' specified"
    ]
    assert errors(ALL + r'if specialuse_exists ["\\a b", "\\x"] { }') == [
        "specialuse_exists test: invalid special-use flag '\\a b' specified"
    ]
    plan = play('fileinto :specialuse "${none}Junk" "x";')
    assert plan.error is not None


def test_what_is_no_flag_ends_the_script_when_it_is_computed() -> None:
    plan = play('set "f" "Junk"; if specialuse_exists "${f}" { }')
    assert plan.error is not None
    assert "invalid special-use flag" in plan.error.text
