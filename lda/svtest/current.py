"""current - the current message of a test file, and the envelope that is read out of its header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lda.sieve import Envelope
from lda.sieve.letter import Letter
from lda.sieve.terms import ByMode, Terms, notify_of
from lda.svtest.mailstore import Stored, canonical
from tamis.mail.address import parse_list, parse_path
from tamis.mail.message import Message

_DEFAULT = b"""\
From: sender@example.com\r
To: recipient@example.org\r
Subject: Frop!\r
\r
Friep!\r
"""
_TO = ("Envelope-To", "To")
_FROM = ("Return-Path", "Sender", "From")
_BY = re.compile(r"(-?[0-9]{1,9});([NR])(T?)")
TERMS = ("notify", "ret", "envid", "orcpt", "by")
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """The message, its envelope, the IMAP flags that it came with. origin: where in a mailbox it came from."""

    message: Message
    envelope: Envelope
    flags: tuple[str, ...] = ()
    mailbox: str = ""
    origin: Stored | None = None


def from_header(message: Message, auth: str, *, mailbox: str = "", origin: Stored | None = None) -> Current:
    """*message* with the envelope that its header tells. auth: who runs the tests."""
    envelope = Envelope(
        sender=next(_addresses(message, _FROM), "sender@example.com"),
        recipient=next(_addresses(message, _TO), "recipient@example.com"),
        auth=auth,
    )
    flags = () if origin is None else origin.flags
    place = canonical(mailbox) if mailbox else ""
    return Current(message=message, envelope=envelope, flags=flags, mailbox=place, origin=origin)


def default(auth: str) -> Current:
    """The message that is there before a test file sets one."""
    return from_header(Message(_DEFAULT), auth)


def sent(letter: Letter, auth: str) -> Current:
    """A message that was sent, with the envelope that it had."""
    envelope = Envelope(sender=letter.sender, recipient=letter.recipient, auth=auth, terms=letter.terms)
    return Current(message=Message(letter.raw), envelope=envelope)


def _addresses(message: Message, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        text = message.headers.first(name).decode("utf-8", "replace")
        yield from (str(mailbox) for mailbox in parse_list(text).mailboxes[:1])


def address(text: str) -> str | None:
    """*text* as an envelope has it: without brackets; "" for the null sender, None if it is no address."""
    inner = text.strip().removeprefix("<").removesuffix(">").strip()
    if not inner or _LOCAL.fullmatch(inner):
        return inner
    parsed = parse_path(inner)
    return None if parsed is None else str(parsed)


def _with_term(terms: Terms, name: str, value: str) -> Terms | None:
    """*terms* with one of them changed, written as in SMTP but for its encoding; "": not known."""
    if name == "by":
        match = _BY.fullmatch(value or "0;N")
        if match is None:
            return None
        deadline = datetime.now().astimezone() + timedelta(seconds=int(match[1])) if value else None
        mode: ByMode = "" if not value else "R" if match[2] == "R" else "N"
        return replace(terms, deadline=deadline, by_mode=mode, by_trace=bool(match[3]))
    if name == "notify":
        notify = notify_of(value) if value else ()
        return None if notify is None else replace(terms, notify=notify)
    if name == "ret":
        return replace(terms, ret=value.upper())
    return replace(terms, envid=value) if name == "envid" else replace(terms, orcpt=value)


def with_member(envelope: Envelope, name: str, value: str) -> Envelope | None:
    """*envelope* with one member (``envelope.from``...) changed; None if *value* is none."""
    member = name.removeprefix("envelope.")
    if member in TERMS:
        terms = _with_term(envelope.terms, member, value)
        return None if terms is None else replace(envelope, terms=terms)
    if member == "auth":
        return replace(envelope, auth=value)
    found = address(value)
    if found is None:
        return None
    if member == "from":
        return replace(envelope, sender=found)
    if member == "to":
        return replace(envelope, recipient=found, original_recipient="")
    return replace(envelope, original_recipient="" if found == envelope.recipient else found)
