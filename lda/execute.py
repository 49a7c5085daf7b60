"""execute - what a script decided becomes files in a Maildir and messages in the queue, as one transaction.

Every copy is first written and synced where no reader sees it; then all are made visible; redirects come
last, and programs that take the message, for they cannot be taken back. A failure before the first of them
undoes everything and defers the message: it will come again. After one, deferring would send it twice: then
the message is kept and the failure noted. A program that fails is no reason to defer, for it may fail for ever:
the message is kept and the programs after it are not run, unless the script only tries it (``:try``).

When all that is done, messages of our own are sent (a vacation's reply, a notification), and what is to be
remembered is written down. Those failures are noted and change nothing: the message itself is safe.

A mailbox that does not exist means a copy in the INBOX instead, and a note. If that fails too, the message
is deferred.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol

from lda import sieve
from lda.afterwards import finish
from lda.copies import Copy
from lda.folders import BadMailbox
from lda.handover import Passed, pass_on
from lda.refusal import reply_text
from lda.sieve.extensions.duplicate import Mark, Seen
from lda.sieve.extensions.extlists import FindInLists, ListMembers, ListsExist
from lda.sieve.extensions.mailboxid import MailboxWithId
from lda.sieve.extensions.metadata import Annotation
from lda.sieve.extensions.pipe import ToProgram
from lda.sieve.extensions.special_use import SpecialUse
from lda.sieve.letter import Letter, Send
from lda.sieve.programs import RunProgram
from lda.sieve.terms import Terms
from tamis.mail.message import Message
from tamis.verdict import Kind, Verdict, reject

INBOX = "INBOX"


class World(Protocol):
    """What a plan acts on. All of it raises OSError or TempFail where it fails."""

    def has(self, mailbox: str) -> bool:
        """Whether the mailbox is there and can be stored into."""
        ...

    def special_use(self, flag: str, mailbox: str) -> str:
        """The mailbox that has the special use *flag* (``\\junk``), or "". mailbox: only that one counts; "": any."""
        ...

    def with_id(self, object_id: str) -> str:
        """The mailbox that has the object identifier (RFC 8474), or ""."""
        ...

    def stage(self, mailbox: str, message: Message | None, flags: tuple[str, ...], *, create: bool) -> Copy:
        """A copy, not yet visible. message: None is the one as received. Raises BadMailbox; the INBOX is
        made."""
        ...

    def obstacle(self, mailbox: str, *, create: bool) -> str:
        """Why no copy can be stored into the mailbox, or ""."""
        ...

    def annotation(self, mailbox: str | None, name: str) -> str | None:
        """The value of an annotation, of the server where there is no mailbox."""
        ...

    def listed(self, question: FindInLists | ListsExist | ListMembers) -> sieve.Answer:
        """What an external list says."""
        ...

    def redirect(self, address: str, message: Message | None, terms: Terms) -> str:
        """Send a copy; why it was not sent, "" if it was."""
        ...

    def send(self, letter: Letter) -> None:
        """Send a message of our own. Raises PermFail where the MTA will never take it."""
        ...

    def file(self, letter: Letter, copy: sieve.FileInto) -> None:
        """Store a copy of what was sent. Raises BadMailbox, PermFail."""
        ...

    def program(self, question: RunProgram) -> sieve.Answer:
        """Run a program for the script."""
        ...

    def pipe(self, action: ToProgram) -> None:
        """Have a program take the message. Raises `programs.Failed`."""
        ...

    def seen(self, key: str) -> bool:
        """Whether *key* is remembered."""
        ...

    def remember(self, key: str, keep_s: int) -> None:
        """Remember *key* from now on."""
        ...

    def once(self, key: str, keep_s: int, act: Callable[[], None]) -> bool:
        """Do *act* unless *key* is remembered, then remember it. False: it was remembered."""
        ...


@dataclass(slots=True)
class Done:
    """What happened. actions: as the log and the journal tell it; notes: for the user.

    sieve: how the script ended: ok, script_error, run_error, or "" without a script."""

    verdict: Verdict
    actions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sieve: str = ""
    sieve_s: float = 0.0


def interpret(run: Generator[sieve.Question, sieve.Answer, sieve.Plan], world: World) -> sieve.Plan:
    """Drive a script to its plan: it asks, the world answers."""
    try:
        question = next(run)
        while True:
            question = run.send(_answer(question, world))
    except StopIteration as stop:
        plan: sieve.Plan = stop.value
        return plan


def _answer(question: sieve.Question, world: World) -> sieve.Answer:  # noqa: PLR0911 - a table
    match question:
        case sieve.MailboxExists(mailbox=mailbox):
            return world.has(mailbox)
        case Seen(key=key):
            return world.seen(key)
        case SpecialUse(flag=flag, mailbox=mailbox):
            return world.special_use(flag, mailbox)
        case MailboxWithId(object_id=object_id):
            return world.with_id(object_id)
        case sieve.CanStore(mailbox=mailbox, create=create):
            return world.obstacle(mailbox, create=create)
        case Annotation(mailbox=where, name=name):
            return world.annotation(where, name)
        case FindInLists() | ListsExist() | ListMembers():
            return world.listed(question)
        case RunProgram():
            return world.program(question)
    return None  # about what this host does not have


def execute(plan: sieve.Plan, world: World, default_mailbox: str = INBOX, *, utf8: bool = False) -> Done:
    """Do what *plan* says. *utf8*: a refusal may be in UTF-8. Raises OSError or TempFail; then nothing has been done.

    A refusal comes after what scripts before the one that refuses have done with the message."""
    done = Done(_verdict(plan, utf8))
    with ExitStack() as staged:
        copies = _stage(_wanted(plan, default_mailbox), world, done, staged)
        try:
            for copy in copies:
                copy.commit()
            passed = pass_on(plan.actions, world)
            late = _late(passed, plan, default_mailbox, stored=_mailboxes(done))
            done.actions += passed.actions
            done.notes += passed.notes
            for copy in _stage(late, world, done, staged):
                copies.append(copy)
                copy.commit()
        except BaseException:
            for copy in copies:
                copy.undo()
            raise
    if done.verdict.kind is Kind.REJECT:
        done.actions.append("reject")
    if not done.actions:
        done.actions.append("discard")
    told = finish(plan, world)
    done.actions += told.actions
    done.notes += told.notes
    return done


def _refuses(plan: sieve.Plan) -> bool:
    return any(isinstance(action, sieve.Reject) for action in plan.actions)


def _verdict(plan: sieve.Plan, utf8: bool) -> Verdict:
    for action in plan.actions:
        if isinstance(action, sieve.Reject):
            return reject("5.7.1", reply_text(action.reason, utf8=utf8), reason="sieve")
    return Verdict(Kind.PASS, "2.0.0", "Delivered")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A copy that the plan asks for. word: what the log calls it."""

    word: str
    mailbox: str
    flags: tuple[str, ...]
    message: Message | None
    create: bool = False


def _wanted(plan: sieve.Plan, default_mailbox: str) -> list[_Wanted]:
    """The copies, each mailbox once for each form of the message."""
    copies = []
    for action in plan.actions:
        match action:
            case sieve.Keep():
                copies.append(_Wanted("keep", default_mailbox, action.flags, action.message))
            case sieve.FileInto():
                copies.append(
                    _Wanted("fileinto", action.mailbox, action.flags, action.message, action.create)
                )
            case sieve.Redirect() | sieve.Discard() | sieve.Reject() | Send() | Mark() | ToProgram():
                pass
            case _:
                raise TypeError(f"no way to do {type(action).__name__}")
    if plan.implicit_keep:
        copies.append(_Wanted("keep", default_mailbox, plan.keep_flags, plan.keep_message))
    return list({(_canonical(copy.mailbox), id(copy.message)): copy for copy in reversed(copies)}.values())[
        ::-1
    ]


def _canonical(mailbox: str) -> str:
    return INBOX if mailbox.upper() in {"", INBOX} else mailbox


def _stage(wanted: list[_Wanted], world: World, done: Done, staged: ExitStack) -> list[Copy]:
    """Write every copy; one that has no mailbox goes to the INBOX, which gets one at most."""
    copies: list[Copy] = []
    inbox = {id(want.message) for want in wanted if _canonical(want.mailbox) == INBOX}
    for want in wanted:
        mailbox = _canonical(want.mailbox)
        try:
            copy = world.stage(mailbox, want.message, want.flags, create=want.create)
        except BadMailbox as exc:
            done.notes.append(f"{want.word} {mailbox!r}: {exc}; the message is in the INBOX")
            if id(want.message) in inbox:
                continue
            inbox.add(id(want.message))
            mailbox = INBOX
            copy = world.stage(mailbox, want.message, want.flags, create=True)
        copies.append(staged.enter_context(copy))
        done.actions.append(f"{want.word} {mailbox}")
    return copies


def _mailboxes(done: Done) -> set[str]:
    """Where there are copies."""
    words = (action.partition(" ") for action in done.actions)
    return {mailbox for word, _, mailbox in words if word in ("keep", "fileinto")}


def _late(passed: Passed, plan: sieve.Plan, default_mailbox: str, stored: set[str]) -> list[_Wanted]:
    """The copy that is due after all, if any; a failed script keeps the message as received (RFC 5228 section
    2.10.6)."""
    if passed.broken and _canonical(default_mailbox) not in stored:
        return [_Wanted("keep", default_mailbox, (), None)]
    if passed.keeps_after_all(plan) or (passed.withheld and not (passed.left or stored or _refuses(plan))):
        return [_Wanted("keep", default_mailbox, plan.keep_flags, plan.keep_message)]
    return [_Wanted("keep", INBOX, (), None)] if passed.lost and not stored else []
