"""redirects - sends a message on, unless that would go in circles or has been done before (`lda.forward`)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from lda import forward
from lda.attempts import Attempt
from lda.envelope import Envelope
from lda.seen import Memory
from lda.sieve.terms import NOTHING, Terms
from lda.submit import SubmitConfig, submit
from tamis.errors import PermFail
from tamis.mail.message import Message

SENT_BEFORE = "it has been sent there before"


class _SentBefore(Exception):  # never leaves this file
    """The same message has gone to the same address, in another delivery."""


@dataclass(slots=True, kw_only=True)
class Redirects:
    """Those of one delivery. notes: what went wrong without harm."""

    config: forward.RedirectConfig
    submission: SubmitConfig
    hostname: str
    owner: forward.Owner
    envelope: Envelope
    memory: Memory
    attempt: Attempt
    notes: list[str] = field(default_factory=list)

    def send(self, target: str, message: Message, terms: Terms = NOTHING) -> str:
        """Send *message* to *target*; why it was not sent, "" if it was. Raises TempFail."""
        if reason := forward.obstacle(message, self.envelope, target, self.config.max_hops):
            return reason
        key = forward.once_key(message, self.envelope, target)
        try:
            self._once(key, target, message, terms)
        except _SentBefore:
            return SENT_BEFORE
        except PermFail as exc:
            return exc.text
        return ""

    def _once(self, key: str, target: str, message: Message, terms: Terms) -> None:
        """Send it, unless it is remembered. A memory that cannot be used holds up no mail."""
        what = f"redirect {key or target}"
        done = False

        def act() -> None:
            nonlocal done
            self.attempt.once(what, lambda: self._send(target, message, terms))
            done = True

        if not key:
            act()
            return
        try:
            new = self.memory.once(key, int(self.config.duplicate_period), act)
        except OSError as exc:
            self.notes.append(f"what was redirected cannot be remembered: {exc.strerror or exc}")
            if not done:
                act()
            return
        # What an earlier attempt at this very delivery has sent and remembered is no loop and no duplicate.
        if not new and not (self.attempt.look and self.attempt.did(what)):
            raise _SentBefore

    def _send(self, target: str, message: Message, terms: Terms) -> None:
        sender = forward.sender_of(self.config.envelope_from, self.envelope, self.owner)
        head, start = forward.departing(message, self.envelope, self.hostname, str(time.time_ns()))
        submit(self.submission, sender, target, head, message.raw[start:] if start else message.raw, terms)
