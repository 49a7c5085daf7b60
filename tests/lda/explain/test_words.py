"""There are words for everything that a script can decide and ask: a new action or question without them fails here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lda import sieve
from lda.explain.answers import Host
from lda.explain.ending import asking, deed
from lda.explain.mailboxes import UserMailboxes
from lda.explain.questions import asked
from lda.explain.site import Site
from lda.script_config import SieveConfig
from lda.sieve.extensions.duplicate import Mark, Seen
from lda.sieve.extensions.enotify import Notification
from lda.sieve.extensions.extlists import FindInLists, ListMembers, ListsExist
from lda.sieve.extensions.mailboxid import MailboxWithId
from lda.sieve.extensions.metadata import Annotation
from lda.sieve.extensions.pipe import ToProgram
from lda.sieve.extensions.report import AbuseReport
from lda.sieve.extensions.special_use import SpecialUse
from lda.sieve.extensions.vacation import VacationReply
from lda.sieve.letter import Letter, Send
from lda.sieve.programs import RunProgram
from lda.sieve.terms import Terms
from lda.store import MaildirConfig
from tamis.mail.message import Message

LETTERS = (Letter(recipient="x@y.z", raw=b""), Letter(recipient="a@y.z", raw=b""))
COPY = sieve.FileInto(mailbox="Sent", create=True, flags=("\\Seen",))
EDITED = Message(b"\n")

ACTIONS: dict[type[sieve.Action], list[tuple[sieve.Action, str]]] = {
    sieve.Keep: [(sieve.Keep(flags=("work",)), "keep, flags work")],
    sieve.FileInto: [
        (sieve.FileInto(mailbox="a"), 'store in "a"'),
        (replace(COPY, message=EDITED), 'store in "Sent", made if it is missing, flags \\Seen, changed by the script'),
    ],
    sieve.Redirect: [
        (sieve.Redirect(address="a@b.c"), 'redirect to "a@b.c"'),
        (
            sieve.Redirect(address="a@b.c", message=EDITED, terms=Terms(notify=("NEVER",))),
            'redirect to "a@b.c", asking for no reports, changed by the script',
        ),
    ],
    sieve.Discard: [(sieve.Discard(), "discard")],
    sieve.Reject: [(sieve.Reject(reason="no"), 'refuse it: "no"')],
    VacationReply: [
        (VacationReply(letters=LETTERS), 'send a vacation message to "x@y.z", "a@y.z"'),
        (VacationReply(declined="the sender is no person"), "no vacation: the sender is no person"),
        (
            VacationReply(letters=LETTERS[:1], fcc=COPY),
            'send a vacation message to "x@y.z"; file a copy of it in "Sent", made if it is missing, flags \\Seen',
        ),
    ],
    Notification: [
        (Notification(letters=LETTERS), 'send a notify message to "x@y.z", "a@y.z"'),
        (
            Notification(letters=(replace(LETTERS[0], terms=Terms(ret="HDRS")),)),
            'send a notify message to "x@y.z", asking for its header in a report',
        ),
    ],
    AbuseReport: [
        (
            AbuseReport(letters=LETTERS[:1], feedback_type="abuse", recipient="x@y.z"),
            'send a report message to "x@y.z"',
        )
    ],
    Mark: [(Mark(key="k", keep_s=1), "remember that this message has been here")],
    ToProgram: [
        (ToProgram(program="learn"), 'pass it to the program "learn"'),
        (
            ToProgram(program="learn", arguments=("a", "b"), tries=True, message=EDITED),
            ('pass it to the program "learn" with "a", "b", changed by the script; '
            "if that fails all goes on as if it had not been tried"),
        ),
    ],
}  # fmt: skip

QUESTIONS: dict[type[sieve.Question], list[tuple[sieve.Question, sieve.Answer, str]]] = {
    sieve.MailboxExists: [
        (sieve.MailboxExists("a"), True, '"a" exists'),
        (sieve.MailboxExists("a"), False, '"a" does not exist'),
    ],
    sieve.CanStore: [
        (sieve.CanStore("a", False), "", '"a" can be stored into'),
        (sieve.CanStore("a", False), "it is full", 'nothing can be stored in "a": it is full'),
    ],
    SpecialUse: [
        (SpecialUse("\\junk"), "Spam", 'the mailbox with the special use \\junk is "Spam"'),
        (SpecialUse("\\junk"), "", "there is no such mailbox with the special use \\junk"),
    ],
    MailboxWithId: [
        (MailboxWithId("F1"), "a", 'the mailbox with the identifier "F1" is "a"'),
        (MailboxWithId("F1"), "", 'no mailbox is known to have the identifier "F1"'),
    ],
    Seen: [
        (Seen("k"), True, "a message like this has been here before"),
        (Seen("k"), False, "no message like this has been here"),
    ],
    Annotation: [
        (Annotation("a", "/private/x"), None, 'the annotation "/private/x" of "a" is not read here; taken as missing'),
        (Annotation(None, "/shared/x"), None,
         'the annotation "/shared/x" of the server is not read here; taken as missing'),
    ],
    FindInLists: [
        (FindInLists(("vip",), ("a", "b")), "b", '"b" is in "vip"'),
        (FindInLists(("vip", "my"), ("a", "b")), None, 'none of "a", "b" is in "vip", "my"'),
    ],
    ListsExist: [
        (ListsExist(("vip",)), True, '"vip": there'),
        (ListsExist(("vip",)), False, '"vip": not there, or cannot be read here'),
    ],
    ListMembers: [
        (ListMembers("vip"), ("a", "b"), 'the list "vip" has 2 members'),
        (ListMembers("vip"), None, 'there is no list "vip" that can be read here'),
    ],
    RunProgram: [
        (RunProgram("execute", "x"), False, 'the program "x" is not run here; taken as one that has failed'),
    ],
}  # fmt: skip


def below(kind: type[object]) -> Iterator[str]:
    """The classes derived from *kind*, but for those of the language of tests; a class with slots is there twice."""
    for child in kind.__subclasses__():
        if not child.__module__.startswith(("lda.sieve.testsuite", "tests.")):
            yield f"{child.__module__}.{child.__name__}"
            yield from below(child)


def test_every_action_and_every_question_is_among_these() -> None:
    assert set(below(sieve.Action)) == {
        f"{kind.__module__}.{kind.__name__}" for kind in (*ACTIONS, sieve.Store, Send)
    }
    assert set(below(sieve.Question)) == {f"{kind.__module__}.{kind.__name__}" for kind in QUESTIONS}


@pytest.mark.parametrize(("action", "words"), [pair for pairs in ACTIONS.values() for pair in pairs])
def test_an_action_is_told_in_words(action: sieve.Action, words: str) -> None:
    assert deed(action) == words


@pytest.mark.parametrize(
    ("question", "answer", "words"), [told for all_ in QUESTIONS.values() for told in all_]
)
def test_a_question_is_told_in_words(question: sieve.Question, answer: sieve.Answer, words: str) -> None:
    assert asked(question, answer) == words


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (Terms(), ""),
        (Terms(notify=("SUCCESS", "DELAY"), ret="FULL"), "reports of success, delay; all of it in a report"),
        (Terms(envid="e", orcpt="rfc822;a@b"), 'the name "e" in a report; the recipient "rfc822;a@b" in a report'),
        (
            Terms(deadline=datetime(2026, 11, 24, 12, tzinfo=UTC), by_mode="R", by_trace=True),
            "delivery by 2026-11-24 12:00:00 +0000, else return; a trace of its way",
        ),
    ],
)  # fmt: skip
def test_what_is_asked_of_the_next_host_is_told(terms: Terms, words: str) -> None:
    assert asking(terms) == (f", asking for {words}" if words else "")


@pytest.mark.parametrize("question", [told[0] for all_ in QUESTIONS.values() for told in all_])
def test_every_question_is_answered_where_nothing_is_known(question: sieve.Question) -> None:
    site = Site()
    answer = Host(UserMailboxes(site), {}).answer(question)
    assert asked(question, answer)


def test_answers_are_those_of_the_site_and_the_maildir(tmp_path: Path) -> None:
    for name in ("", ".Junk-Mail", ".Lists"):
        for inner in ("cur", "new", "tmp"):
            (tmp_path / "mail" / name / inner).mkdir(parents=True)
    (tmp_path / "mail" / ".Lists" / "dovecot-uidlist").write_text(f"3 V1 N1 G{'0a' * 16}\n")
    (tmp_path / "vip").write_text("Anna@example.net\n")
    site = Site(
        maildir=MaildirConfig(separator="/", special_use={"Junk": "Junk-Mail", "Sent": "Sent"}),
        scripts=SieveConfig(lists={"vip": tmp_path / "vip"}),
    )
    host = Host(UserMailboxes(site, tmp_path / "mail"), site.scripts.lists, {"k"})
    expected: list[tuple[sieve.Question, sieve.Answer]] = [
        (sieve.MailboxExists("Lists"), True),
        (sieve.MailboxExists("Sent"), False),
        (sieve.CanStore("Sent", True), ""),
        (sieve.CanStore("Sent", False), "the mailbox does not exist"),
        (SpecialUse("\\junk"), "Junk-Mail"),
        (SpecialUse("\\junk", "Lists"), ""),
        (SpecialUse("\\junk", "Junk-Mail"), "Junk-Mail"),
        (SpecialUse("\\sent"), ""),
        (MailboxWithId("0a" * 16), "Lists"),
        (MailboxWithId("0b" * 16), ""),
        (Seen("k"), True),
        (FindInLists(("vip",), ("b@example.net", "anna@example.net")), "anna@example.net"),
        (ListsExist(("vip", "none")), False),
        (RunProgram("execute", "x"), False),
    ]
    assert [(question, host.answer(question)) for question, _ in expected] == expected
    made = replace(site, maildir=replace(site.maildir, autocreate=True))
    assert Host(UserMailboxes(made, tmp_path / "mail"), {}).answer(sieve.CanStore("Sent", False)) == ""


def test_a_list_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    host = Host(UserMailboxes(Site()), {"vip": tmp_path})
    assert host.answer(ListMembers("vip")) is None
    assert host.answer(ListsExist(("vip",))) is False
