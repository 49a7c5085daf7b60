"""sift - the loop: each message through the script, its fate counted and, if wanted, carried out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lda import sieve
from lda.explain.run import envelope_of
from lda.sieve.extensions.duplicate import Seen
from lda.sieve.extensions.special_use import SpecialUse
from lda.sieve.extensions.vacation import VacationOptions
from lda.sift import shared
from lda.sift.fate import Discarding, Fate, canonical, fate_of
from lda.sift.mailbox import Gone, Mailbox, Stored, Unusable
from lda.sift.tally import Tally

BATCH = 200
"""Messages between two waits for the disk or the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be done. run: do it. create: make mailboxes that are missing. recipient: None: Delivered-To's.

    now: for `currentdate` (aware)."""

    scripts: Sequence[sieve.Script]
    now: datetime
    discarding: Discarding
    run: bool = False
    create: bool = False
    recipient: str | None = None


class Sifting:
    """One pass over *mailbox*. watch: hears how many messages are done; stopped: whether to end early."""

    def __init__(
        self,
        mailbox: Mailbox,
        order: Order,
        tally: Tally,
        *,
        watch: Callable[[int], object] = bool,
        stopped: Callable[[], bool] = bool,
    ) -> None:
        self._mailbox = mailbox
        self._order = order
        self._tally = tally
        self._watch = watch
        self._stopped = stopped
        self._marks: set[str] = set()
        self._there: dict[str, bool] = {}
        recipient = order.recipient or ""
        self._context = sieve.Context(
            user=recipient,
            now=order.now,
            clock=time.thread_time,
            default_mailbox=mailbox.name,
            environment={"location": "MS", "phase": "post"},
            settings=(VacationOptions(user_email=recipient if "@" in recipient else ""),),
        )

    def all(self) -> None:
        """Every message. What has been done is made durable however it ends."""
        order, tally = self._order, self._tally
        parts = 1
        if self._mailbox.shareable and not order.run and tally.each is None:
            parts = shared.shares(order.scripts, self._mailbox.size())
        shared.counted(self._part, parts)

    def _part(self, part: int, parts: int) -> Tally:
        try:
            for number, stored in enumerate(self._mailbox.messages(part, parts), 1):
                if self._stopped():
                    self._tally.interrupted = True
                    break
                self._one(stored)
                if number % BATCH == 0:
                    self._settle()
                if part == 0:
                    self._watch(number * parts)
        finally:
            self._settle()
        return self._tally

    def _settle(self) -> None:
        if self._order.run:
            self._tally.vanished += self._mailbox.settle()

    def _one(self, stored: Stored | Gone | Unusable) -> None:
        if isinstance(stored, Gone):
            self._tally.vanished += 1
        elif isinstance(stored, Unusable):
            self._tally.unreadable(str(stored))
        else:
            try:
                fate = self._fate(stored)
                if self._order.run and not (fate.missing or fate.error):
                    self._mailbox.carry_out(stored, fate)
            except Gone:
                self._tally.vanished += 1
            except Unusable as exc:
                self._tally.unreadable(str(exc))
            else:
                self._marks.update(fate.marks)
                self._tally.add(stored, fate)

    def _fate(self, stored: Stored) -> Fate:
        order = self._order
        envelope = envelope_of(stored.message, None, order.recipient, None)
        context = replace(self._context, flags=stored.flags) if stored.flags else self._context
        run = sieve.run_scripts(order.scripts, stored.message, envelope, context)
        try:
            question = next(run)
            while True:
                question = run.send(self._answer(question))
        except StopIteration as stop:
            fate = fate_of(stop.value, self._mailbox.is_itself, stored.flags, order.discarding)
        if order.create or not fate.copies:
            return fate
        missing = tuple(t.mailbox for t in fate.copies if not t.create and not self._has(t.mailbox))
        return replace(fate, missing=missing) if missing else fate

    def _answer(self, question: sieve.Question) -> sieve.Answer:
        match question:
            case sieve.MailboxExists(mailbox=mailbox):
                return self._has(mailbox)
            case Seen(key=key):
                return key in self._marks
            case SpecialUse(flag=flag, mailbox=mailbox):
                found = self._mailbox.special_use(flag)
                return found if mailbox in ("", found) else ""
        return None

    def _has(self, mailbox: str) -> bool:
        name = canonical(mailbox)
        if name not in self._there:
            self._there[name] = self._mailbox.has(mailbox)
        return self._there[name]
