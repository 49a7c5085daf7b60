"""fcc (RFC 8580): a copy of what vacation and notify send."""

from __future__ import annotations

import pytest

from lda.sieve import Answer, FileInto, Question
from lda.sieve.extensions.mailboxid import MailboxWithId
from lda.sieve.extensions.special_use import SpecialUse
from lda.sieve.letter import Send
from tests.lda.sieve.answers import play
from tests.lda.sieve.play import ALL, errors


def answer(question: Question) -> Answer:
    if isinstance(question, SpecialUse):
        return "Gesendet" if question.flag == "\\sent" else ""
    assert isinstance(question, MailboxWithId)
    return "Elsewhere" if question.object_id == "F1" else ""


def copies(script: str) -> list[FileInto | None]:
    plan = play(script, answer)
    assert plan.error is None, plan.error
    assert plan.implicit_keep
    return [action.fcc for action in plan.actions if isinstance(action, Send)]


VACATION, NOTIFY = 'vacation {} :addresses "bob@example.com" "Away.";', 'notify {} "mailto:x@example.net";'
COMMANDS = pytest.mark.parametrize("command", [VACATION, NOTIFY], ids=["vacation", "notify"])


@COMMANDS
@pytest.mark.parametrize(
    ("tags", "mailbox", "create", "flags"),
    [
        (':fcc "Sent"', "Sent", False, ()),
        (':fcc "Sent" :create :flags ["\\\\Seen", "mine"]', "Sent", True, ("\\Seen", "mine")),
        (':flags "\\\\Seen" :create :fcc "Sent"', "Sent", True, ("\\Seen",)),
        (':specialuse "\\\\Sent" :fcc "x"', "Gesendet", False, ()),
        (':fcc "x" :specialuse "\\\\Sent" :create', "Gesendet", True, ()),
        (':fcc "x" :specialuse "\\\\Drafts"', "x", False, ()),
        (':mailboxid "F1" :fcc "x"', "Elsewhere", False, ()),
        (':fcc "x" :mailboxid "F2"', "x", False, ()),
    ],
)  # fmt: skip
def test_the_copy_is_described_as_for_fileinto(
    command: str, tags: str, mailbox: str, create: bool, flags: tuple[str, ...]
) -> None:
    (copy,) = copies(command.replace("{}", tags))
    assert copy is not None
    assert (copy.mailbox, copy.create, copy.flags) == (mailbox, create, flags)


@COMMANDS
def test_without_the_tag_nothing_is_filed(command: str) -> None:
    assert copies(command.replace("{}", "")) == [None]


@COMMANDS
def test_flags_of_the_message_are_not_those_of_the_copy(command: str) -> None:
    (copy,) = copies('addflag "work"; ' + command.replace("{}", ':fcc "Sent"'))
    assert copy is not None
    assert copy.flags == ()


@COMMANDS
@pytest.mark.parametrize("tag", [":create", ':flags "x"', ':specialuse "\\\\Sent"', ':mailboxid "F1"'])
def test_a_tag_about_the_copy_needs_the_copy_and_its_own_extension(command: str, tag: str) -> None:
    name = tag.partition(" ")[0]
    assert errors(ALL + command.replace("{}", tag)) == [f"the {name} argument needs :fcc beside it"]
    needs = {
        ":create": "mailbox",
        ":flags": "imap4flags",
        ":specialuse": "special-use",
        ":mailboxid": "mailboxid",
    }
    (text,) = errors('require ["fcc", "vacation", "enotify"]; ' + command.replace("{}", f':fcc "x" {tag}'))
    assert text == f"the {name} argument can only be used with the {needs[name]} extension"


def test_id_and_special_use_exclude_each_other_here_too() -> None:
    script = VACATION.replace("{}", ':fcc "x" :specialuse "\\\\Sent" :mailboxid "F1"')
    assert errors(ALL + script) == ["conflicting :mailboxid and :specialuse arguments"]


@COMMANDS
def test_without_the_extension_there_is_no_such_tag(command: str) -> None:
    assert errors('require ["vacation", "enotify"]; ' + command.replace("{}", ':fcc "x"'))


def test_a_name_that_no_mailbox_can_have_is_an_error_of_the_script() -> None:
    plan = play('set "n" ""; ' + VACATION.replace("{}", ':fcc "${n}"'), answer)
    assert plan.error is not None
    assert plan.implicit_keep
