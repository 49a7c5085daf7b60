"""outcome - carries a result out: copies into mailboxes, messages into the outbox.

First it is made sure that every copy has its mailbox; then all is done in order, and the implicit keep last. Whatever
fails, the message itself ends in the INBOX, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from lda import sieve
from lda.programs import Failed
from lda.sieve.extensions.duplicate import Mark
from lda.sieve.extensions.pipe import ToProgram
from lda.sieve.letter import Letter, Send
from lda.svtest.bounce import refusal
from lda.svtest.current import Current
from lda.svtest.mailstore import INBOX, MailStore, Stored, canonical, problem_with
from lda.svtest.options import POSTMASTER
from lda.svtest.programs import programs
from lda.svtest.senders import envelope_sender, loops, redirected
from lda.svtest.settings import Settings
from tamis.mail.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """The implicit keep. message: as commands have changed it; None: as received."""

    due: bool
    message: Message | None = None
    flags: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What has been done of one result, where and for which message. errors: what went wrong in the last attempt.

    directory: of the test file. kept: the message is in the INBOX. broken: a program that took the message failed."""

    store: MailStore
    settings: Settings
    current: Current
    directory: Path
    done: list[sieve.Action] = field(default_factory=list)
    kept: bool = False
    broken: bool = False
    errors: list[str] = field(default_factory=list)

    def execute(self, actions: Iterable[sieve.Action], keep: Keep) -> bool:
        """Do those of *actions* that have not been done before; whether all could be done."""
        self.errors, self.broken = [], False
        pending = [action for action in actions if not any(_same(action, done) for done in self.done)]
        problem = self._problem(pending)
        if problem:
            self.errors.append(problem)
            self._keep(Keep(due=True, flags=self.current.flags))
            return False
        performed = [action for action in pending if self._perform(action)]
        self.done += performed
        if self.broken:
            self._keep(Keep(due=True, flags=self.current.flags))
            return False
        skipped = len(performed) < len(pending)
        if keep.due or (skipped and not any(action.cancels_keep for action in self.done)):
            self._keep(keep)
        return True

    def _problem(self, pending: Sequence[sieve.Action]) -> str:
        """Why a copy has no mailbox to go to, or ""; mailboxes are made where that is asked for."""
        for action in pending:
            if isinstance(action, sieve.FileInto) and not self.store.has(action.mailbox):
                name = action.mailbox
                problem = self.store.create(name) if action.create else problem_with(name)
                if problem or not action.create:
                    reason = problem or f"Mailbox doesn't exist: {name}"
                    return f"failed to store into mailbox '{name}': {reason}"
        return ""

    def _perform(self, action: sieve.Action) -> bool:
        """Do *action*; False: it was left out, and takes the place of no keep."""
        match action:
            case sieve.Keep():
                self._put(INBOX, action.message, action.flags)
            case sieve.FileInto():
                self._put(action.mailbox, action.message, action.flags)
            case sieve.Redirect():
                return self._redirect(action)
            case sieve.Reject():
                now = datetime.now().astimezone()
                letter = refusal(action.reason, self.current.message, self.current.envelope, now)
                self.store.sent += [] if letter is None else [letter]
            case ToProgram():
                return not self.broken and self._pipe(action)
            case Send():
                self.store.sent += [self._signed(action, letter) for letter in action.letters]
                self._file(action)
            case sieve.Discard() | Mark():
                pass
            case _:
                raise TypeError(f"no way to do {type(action).__name__}")
        return True

    def _keep(self, keep: Keep) -> None:
        """The implicit keep, unless there is a copy in the INBOX that was made with a keep still due."""
        if not self.kept:
            self._put(INBOX, keep.message, keep.flags)

    def _put(self, mailbox: str, message: Message | None, flags: tuple[str, ...]) -> None:
        """A copy into *mailbox*; where the message came from only the flags change."""
        name, origin = canonical(mailbox), self.current.origin
        self.kept = self.kept or name == INBOX
        if origin is not None and name == self.current.mailbox:
            origin.flags = flags
        else:
            stored = Stored(message or self.current.message, flags)
            self.store.mailboxes.setdefault(name, []).append(stored)

    def _redirect(self, action: sieve.Redirect) -> bool:
        message, envelope = action.message or self.current.message, self.current.envelope
        engine = self.settings.of()
        own = engine.text("sieve_user_email") or envelope.recipient
        if loops(message, own):
            return False
        sender = envelope_sender(engine.text("sieve_redirect_envelope_from"), envelope, own)
        letter = Letter(
            sender=sender, recipient=action.address, raw=redirected(message, own), terms=action.terms
        )
        self.store.sent.append(letter)
        return True

    def _pipe(self, action: ToProgram) -> bool:
        """After a program that has failed no other one is run, unless the script only tried it."""
        envelope, message = self.current.envelope, action.message or self.current.message
        try:
            programs(self.settings, "pipe", envelope, self.directory).pipe(action, message)
        except Failed as exc:
            self.errors.append(f"failed to pipe message to program '{action.program}': {exc}")
            self.broken = not action.tries
            return False
        return True

    def _file(self, action: Send) -> None:
        """The copy of what was sent; one that cannot be filed is no failure (RFC 8580)."""
        copy = action.fcc
        if copy is None or not action.letters:
            return
        if not self.store.has(copy.mailbox) and (not copy.create or self.store.create(copy.mailbox)):
            return
        stored = Stored(Message(action.letters[0].raw), copy.flags)
        self.store.mailboxes[canonical(copy.mailbox)].append(stored)

    def _signed(self, action: sieve.Action, letter: Letter) -> Letter:
        """*letter* from whom a setting says that notifications are."""
        rule = self.settings.of("enotify").text("sieve_notify_mailto_envelope_from")
        if action.name != "notify" or not rule:
            return letter
        own = self.settings.of().text("sieve_user_email")
        sender = envelope_sender(rule, self.current.envelope, own)
        usual = f"From: {own or f'Postmaster <{POSTMASTER}>'}\n".encode()
        return replace(
            letter, sender=sender, raw=letter.raw.replace(usual, f"From: <{sender}>\n".encode(), 1)
        )


def _same(one: sieve.Action, other: sieve.Action) -> bool:
    """Whether doing *one* after *other* would do the same thing again."""
    if isinstance(one, sieve.Store) and isinstance(other, sieve.Store):
        return _mailbox(one) == _mailbox(other)
    return one is other or one.same_as(other)


def _mailbox(action: sieve.Store) -> str:
    return canonical(action.mailbox) if isinstance(action, sieve.FileInto) else INBOX
