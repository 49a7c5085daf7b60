"""run - one run of a traced script on one message, with a host that changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from lda import sieve
from lda.explain.answers import Host, Mailboxes, driven
from lda.explain.site import Site
from lda.sieve.trace import Trace
from tamis.mail.address import parse_path
from tamis.mail.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What a run is about. now: the time of delivery (aware)."""

    message: Message
    envelope: sieve.Envelope
    now: datetime
    default_mailbox: str = "INBOX"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A run that has ended."""

    script: sieve.Script
    occasion: Occasion
    plan: sieve.Plan
    trace: Trace


def envelope_of(
    message: Message, sender: str | None, recipient: str | None, original: str | None
) -> sieve.Envelope:
    """The envelope of a delivery: what is not given (None) is taken from Return-Path and Delivered-To."""
    return sieve.Envelope(
        sender=_path(message, "return-path") if sender is None else sender.strip("<>"),
        recipient=_path(message, "delivered-to") if recipient is None else recipient.strip("<>"),
        original_recipient=(original or "").strip("<>"),
    )


def _path(message: Message, name: str) -> str:
    return _address(message.headers.first(name))


@lru_cache(1024)
def _address(raw: bytes) -> str:
    mailbox = parse_path(raw.decode("utf-8", "replace").strip("<>"))
    return "" if mailbox is None else str(mailbox)


def explained(script: sieve.Script, occasion: Occasion, site: Site, mailboxes: Mailboxes) -> Told:
    """Run *script*, which was compiled with tracing."""
    trace = Trace()
    context = site.context(occasion.envelope, occasion.now, occasion.default_mailbox)
    run = sieve.run_scripts([script], occasion.message, occasion.envelope, context, trace)
    plan = driven(run, Host(mailboxes, site.scripts.lists))
    return Told(script=script, occasion=occasion, plan=plan, trace=trace)
