"""sift - the loop: each message through the script, its fate counted and, if wanted, carried out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from lda import sieve
from lda.explain.answers import Host, driven
from lda.explain.run import envelope_of
from lda.explain.site import Site
from lda.sift import shared
from lda.sift.fate import Discarding, Fate, canonical, fate_of
from lda.sift.mailbox import Gone, Mailbox, Stored, Unusable
from lda.sift.tally import Tally

BATCH = 200
"""Messages between two waits for the disk or the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be done. run: do it. create: make mailboxes that are missing. recipient: None: Delivered-To's.

    now: for `currentdate` (aware). site: whose limits, options and lists hold."""

    scripts: Sequence[sieve.Script]
    now: datetime
    discarding: Discarding
    run: bool = False
    create: bool = False
    recipient: str | None = None
    site: Site = field(default_factory=Site)


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
        envelope = sieve.Envelope(recipient=order.recipient or "")
        context = order.site.context(envelope, order.now, mailbox.name)
        self._context = replace(
            context,
            environment={**context.environment, "location": "MS", "phase": "post"},
            checks_mailboxes=False,  # a mailbox that is missing leaves the message where it is
        )
        self._host = Host(self, order.site.scripts.lists, self._marks)

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
        plan = driven(sieve.run_scripts(order.scripts, stored.message, envelope, context), self._host)
        fate = fate_of(plan, self._mailbox.is_itself, stored.flags, order.discarding)
        if order.create or not fate.copies:
            return fate
        missing = tuple(t.mailbox for t in fate.copies if self.obstacle(t.mailbox, create=t.create))
        return replace(fate, missing=missing) if missing else fate

    # -- what scripts ask of their host

    def has(self, mailbox: str) -> bool:
        """Whether the mailbox exists."""
        name = canonical(mailbox)
        if name not in self._there:
            self._there[name] = self._mailbox.has(mailbox)
        return self._there[name]

    def obstacle(self, mailbox: str, *, create: bool) -> str:
        """Why no copy can be stored into the mailbox, or ""."""
        return "" if create or self.has(mailbox) else "the mailbox does not exist"

    def special_use(self, flag: str, mailbox: str) -> str:
        """The mailbox that has the special use *flag*, or "". mailbox: only that one counts; "": any."""
        found = self._mailbox.special_use(flag)
        return found if mailbox in ("", found) else ""

    def with_id(self, object_id: str) -> str:
        """The mailbox that has the object identifier, or ""."""
        return self._mailbox.with_id(object_id)
