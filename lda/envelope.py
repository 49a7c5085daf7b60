"""envelope - one delivery: for whom, from whom, and where to, as pipe(8) or LMTP told it. Frozen; no I/O.

Addresses come without angle brackets and unquoted, as Postfix keeps them; a sender of "" is the null sender.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lda.sieve.terms import NOTHING, Terms
from lda.users.rewriting import split_detail
from tamis.mail.headers import Headers

Transport = Literal["pipe", "lmtp"]

_ANSWERS = {"yes": True, "no": False}
_QUEUE_ID = re.compile(rb"\sid ([0-9A-Za-z]{6,32})(?=[\s;])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """user: the address to look up. recipient: the final one, for Delivered-To. original_recipient: before
    aliases, "" if nobody says. mailbox: where a keep goes, "" for the INBOX. create, subscribe: whether a missing
    mailbox is made, and subscribed to; None: as configured. utf8: who sent it reads replies in UTF-8 (SMTPUTF8).
    terms: what the sender asks for, as far as the caller knows. client: the address of the host that sent it, if
    the caller says."""

    user: str
    sender: str = ""
    recipient: str = ""
    original_recipient: str = ""
    mailbox: str = ""
    queue_id: str = ""
    create: bool | None = None
    subscribe: bool | None = None
    transport: Transport = "pipe"
    utf8: bool = False
    terms: Terms = NOTHING
    client: str = ""


def from_handoff(told: Mapping[str, str], headers: Headers, delimiter: str) -> Envelope:
    """The envelope of a hand-off, for a message with *headers*. Where dovecot-lda's options leave the recipient open:
    the original recipient, if that is the user with an extension or the user is no address; and else the user."""
    user = told.get("user", "")
    original = told.get("original_recipient", "")
    base, _ = split_detail(original, delimiter)
    recipient = user if "@" in user and base.lower() != user.lower() else original or user
    return Envelope(
        user=user,
        sender=told.get("sender", ""),
        recipient=told.get("recipient", "") or recipient,
        original_recipient=original,
        mailbox=told.get("mailbox", ""),
        queue_id=told.get("queue_id", "") or queue_id_of(headers),
        create=_ANSWERS.get(told.get("create", "")),
        subscribe=_ANSWERS.get(told.get("subscribe", "")),
    )


def queue_id_of(headers: Headers) -> str:
    """The queue id that the MTA in front of us wrote into the topmost Received field; "" without one."""
    match = _QUEUE_ID.search(headers.first("Received")[:1024] + b" ")
    return match[1].decode("ascii") if match else ""
