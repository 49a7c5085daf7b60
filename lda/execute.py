"""execute - what a script decided becomes files in a Maildir and messages in the queue, as one transaction.

Every copy is first written and synced where no reader sees it; then all are made visible; redirects come
last, for they cannot be taken back. A failure before the first redirect undoes everything and defers the
message: it will come again. After one, deferring would send it twice: then the message is kept and the
failure noted.

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
from lda.folders import BadMailbox
from lda.maildir import Copy
from lda.sieve.extensions.duplicate import Mark, Seen
from lda.sieve.extensions.special_use import SpecialUse
from lda.sieve.letter import Letter, Send
from tamis.errors import TempFail
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

    def stage(self, mailbox: str, message: Message | None, flags: tuple[str, ...], *, create: bool) -> Copy:
        """A copy, not yet visible. message: None is the one as received. Raises BadMailbox; the INBOX is
        made."""
        ...

    def redirect(self, address: str, message: Message | None) -> None:
        """Send a copy."""
        ...

    def send(self, letter: Letter) -> None:
        """Send a message of our own."""
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


def _answer(question: sieve.Question, world: World) -> sieve.Answer:
    match question:
        case sieve.MailboxExists(mailbox=mailbox):
            return world.has(mailbox)
        case Seen(key=key):
            return world.seen(key)
        case SpecialUse(flag=flag, mailbox=mailbox):
            return world.special_use(flag, mailbox)
    return None  # about what this host does not have: annotations, external lists


def execute(plan: sieve.Plan, world: World, default_mailbox: str = INBOX) -> Done:
    """Do what *plan* says. Raises OSError or TempFail; then nothing has been done.

    A refusal comes after what scripts before the one that refuses have done with the message."""
    done = Done(_verdict(plan))
    with ExitStack() as staged:
        copies = _stage(_wanted(plan, default_mailbox), world, done, staged)
        redirects = [action for action in plan.actions if isinstance(action, sieve.Redirect)]
        try:
            for copy in copies:
                copy.commit()
            _redirect(redirects, world, done, kept=bool(copies))
        except BaseException:
            for copy in copies:
                copy.undo()
            raise
    if done.verdict.kind is Kind.REJECT:
        done.actions.append("reject")
    if not done.actions:
        done.actions.append("discard")
    _afterwards(plan, world, done)
    return done


def _verdict(plan: sieve.Plan) -> Verdict:
    for action in plan.actions:
        if isinstance(action, sieve.Reject):
            return reject("5.7.1", " ".join(action.reason.split()), reason="sieve")
    return Verdict(Kind.PASS, "2.0.0", "Delivered")


def _afterwards(plan: sieve.Plan, world: World, done: Done) -> None:
    """What the message does not depend on. When the MTA has failed once it is not tried again: that takes time, and
    past the deadline the message, stored already, would be deferred."""
    works = True
    for action in plan.actions:
        try:
            match action:
                case Send() if works:
                    _send(action, world, done)
                case Send():
                    done.notes.append(f"{action.name} failed: not tried")
                case Mark():
                    world.remember(action.key, action.keep_s)
        except TempFail as exc:
            works = False
            done.notes.append(f"{action.name} failed: {exc.text}")
        except OSError as exc:
            done.notes.append(f"{action.name} failed: {exc.strerror or exc}")


def _send(action: Send, world: World, done: Done) -> None:
    """The letters of *action*, or a word about why there are none."""

    def send() -> None:
        for letter in action.letters:
            world.send(letter)
            done.actions.append(f"{action.name} {letter.recipient}")

    if not action.letters:
        done.actions.append(f"no {action.name}: {action.declined}")
    elif not action.once:
        send()
    elif not world.once(action.once, action.keep_s, send):
        done.actions.append(f"no {action.name}: sent before")


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
            case sieve.Redirect() | sieve.Discard() | sieve.Reject() | Send() | Mark():
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


def _redirect(redirects: list[sieve.Redirect], world: World, done: Done, *, kept: bool) -> None:
    """Send all. TempFail only while none is sent."""
    sent = failed = False
    for action in redirects:
        try:
            world.redirect(action.address, action.message)
        except TempFail as exc:
            if not sent:
                raise
            failed = True
            done.notes.append(f"redirect to {action.address!r} failed: {exc.text}")
        else:
            sent = True
            done.actions.append(f"redirect {action.address}")
    if failed and not kept:
        with world.stage(INBOX, None, (), create=True) as copy:
            copy.commit()
        done.actions.append(f"keep {INBOX}")
