"""forward - what becomes of a message that is redirected: whether it may go, from whom, and how we know it again. Pure.

A message that has been here before (X-Sieve-Redirected-From names us), that its target has had (its Delivered-To), or
that comes from too far away, is not sent on. What is not sent is kept (`lda.execute`): nothing is lost by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lda.envelope import Envelope
from lda.sieve.letter import MAKER, digest
from lda.trace import on_top, quoted
from tamis.config.schema import Duration, option
from tamis.mail.address import parse_mailbox
from tamis.mail.edit import newline_of
from tamis.mail.message import Message

TRACE = "X-Sieve-Redirected-From"
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_RULES = ("sender", "recipient", "orig_recipient", "user_email", "postmaster")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectConfig:
    """Messages that scripts send on."""

    envelope_from: str = option(
        "sender",
        "sender, recipient, orig_recipient, user_email, postmaster, or <address>; a null sender stays",
    )
    duplicate_period: Duration = option(
        Duration(12 * 3600), "the same message goes to the same address once; 0: always", at_least=0
    )
    max_hops: int = option(50, "Received fields; a message with more is kept", at_least=5, at_most=1000)

    def problems(self) -> Iterator[str]:
        """A sender that is none."""
        if problem := rule_problem(self.envelope_from):
            yield f"envelope_from: {problem}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose message is redirected. rewritten: the envelope's sender for messages sent on (`tamis.srs`)."""

    user_email: str
    postmaster: str
    rewritten: str


def rule_problem(rule: str) -> str:
    """Why *rule* says nothing about a sender, or ""."""
    fixed = rule[1:-1] if rule.startswith("<") and rule.endswith(">") else None
    if rule in _RULES or fixed == "" or (fixed is not None and parse_mailbox(fixed) is not None):
        return ""
    return f"must be {', '.join(_RULES)} or <address>, not {rule!r}"


def sender_of(rule: str, envelope: Envelope, owner: Owner) -> str:
    """The envelope sender of what is sent on."""
    if not envelope.sender:
        return ""
    if rule.startswith("<"):
        return rule[1:-1]
    return {
        "sender": owner.rewritten,
        "recipient": envelope.recipient,
        "orig_recipient": envelope.original_recipient or envelope.recipient,
        "user_email": owner.user_email or envelope.recipient,
        "postmaster": owner.postmaster,
    }[rule]


def obstacle(message: Message, envelope: Envelope, target: str, max_hops: int) -> str:
    """Why *message* must not be sent to *target*, or ""."""
    headers = message.headers
    if _names(message, TRACE, envelope.recipient):
        return "it has been redirected from here before"
    if _names(message, "Delivered-To", target):
        return "it has been delivered there before"
    if len(headers.all("Received")) > max_hops:
        return "it has come over too many hosts"
    return ""


def _names(message: Message, field: str, address: str) -> bool:
    wanted = _encode(quoted(address)).lower()
    return any(found.value.strip().lower() == wanted for found in message.headers.all(field))


def once_key(message: Message, envelope: Envelope, target: str) -> str:
    """What makes a message to *target* the same as another one; "" for one without Message-ID."""
    name = _value(message, "Message-ID")
    if not name:
        return ""
    local, _, domain = target.rpartition("@")
    original = envelope.original_recipient or envelope.recipient
    resent = (
        _value(message, "Resent-Message-ID"),
        _value(message, "Resent-From"),
        _value(message, "List-ID"),
    )
    return digest("redirect", name, original, f"{local}@{domain.lower()}", *resent)


def _value(message: Message, field: str) -> str:
    return message.headers.first(field)[:1000].decode("utf-8", "surrogateescape").strip()


def departing(message: Message, envelope: Envelope, hostname: str, moment: str) -> tuple[bytes, int]:
    """The fields to put before *message* when it is sent on, and where it begins after those that this delivery has
    put on top. *moment*: what makes a name of it another one than the last."""
    newline = newline_of(message)
    head = b"%s: %s%s" % (*(word.encode() for word in MAKER), newline)
    head += _encode(f"{TRACE}: {quoted(envelope.recipient)}") + newline
    if not message.headers.first("Message-ID").strip():
        name = digest(moment, envelope.sender, envelope.recipient)[:32]
        head += f"Message-ID: <{name}@{hostname}>".encode() + newline
    return head, sum(len(field.raw) for field in on_top(envelope, message.headers))


def _encode(text: str) -> bytes:
    return _UNPRINTABLE.sub("?", text).encode("utf-8", "surrogateescape")
