"""context - what a run knows besides the message: the envelope, the user, the time, the site's options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from lda.sieve.limits import DEFAULT, Limits
from lda.sieve.terms import NOTHING, Terms

Setting = TypeVar("Setting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The SMTP envelope of one delivery. Addresses without angle brackets; sender "" is the null sender.

    recipient: the final one. original_recipient: the one of RCPT TO or ORCPT where it differs, else "".
    auth: the SMTP AUTH identity, if the host knows it. terms: what the sender asks for, as far as the host knows."""

    sender: str = ""
    recipient: str = ""
    original_recipient: str = ""
    auth: str = ""
    terms: Terms = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """now: the time of delivery in the site's zone (aware). clock: CPU seconds, for `Limits.cpu_s`; None: no check.

    recipient_delimiter: a set of characters; the first that occurs in a local part ends the user part (RFC 5233).
    environment: items for RFC 5183 by lower-case name. flags: IMAP flags that the message has already.
    settings: the site's options for extensions, one object of each extension's own class.
    checks_mailboxes: ask for each copy whether it can be stored (`plan.CanStore`)."""

    user: str = ""
    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    clock: Callable[[], float] | None = None
    limits: Limits = DEFAULT
    recipient_delimiter: str = "+"
    default_mailbox: str = "INBOX"
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    flags: tuple[str, ...] = ()
    settings: tuple[object, ...] = ()
    checks_mailboxes: bool = False

    def setting(self, kind: type[Setting]) -> Setting:
        """The options of class *kind*; its defaults if the site has set none."""
        for candidate in self.settings:
            if isinstance(candidate, kind):
                return candidate
        return kind()
