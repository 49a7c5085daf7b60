"""senders - who an outgoing message is from, and what is put on a redirected one. Pure."""

from __future__ import annotations

import re

from lda.sieve import Envelope
from lda.sieve.letter import MAKER, digest
from lda.svtest.current import address
from lda.svtest.options import ENVIRONMENT, POSTMASTER
from tamis.mail.message import Message

TRACE = "X-Sieve-Redirected-From"


def envelope_sender(rule: str, envelope: Envelope, user_email: str) -> str:
    """What *rule* (``sender``, ``recipient``, ``postmaster``, ``<address>``...) makes of *envelope*.

    What came from the null sender goes on with the null sender."""
    if not envelope.sender:
        return ""
    named = {
        "": envelope.sender,
        "sender": envelope.sender,
        "recipient": envelope.recipient,
        "orig_recipient": envelope.original_recipient or envelope.recipient,
        "user_email": user_email or envelope.recipient,
        "postmaster": POSTMASTER,
    }
    return named[rule] if rule in named else address(rule) or ""


def loops(message: Message, own: str) -> bool:
    """Whether *message* has been redirected from *own* before."""
    found = (field.value.decode("utf-8", "replace").strip() for field in message.headers.all(TRACE))
    return any(value.lower() == own.lower() for value in found)


def redirected(message: Message, own: str) -> bytes:
    """*message* with the trace of its redirection, without a path to bounce to, and with a name."""
    newline = b"\n" if re.match(rb"[^\r\n]*\n", message.raw[:2000]) else b"\r\n"
    fields = [f"{name}: {value}".encode() + newline for name, value in (MAKER, (TRACE, own))]
    if not message.headers.first("Message-ID"):
        name = digest(message.raw[:].decode("latin-1"))[:32]
        fields.append(f"Message-ID: <{name}@{ENVIRONMENT['host']}>".encode() + newline)
    fields += [field.raw for field in message.headers if field.name.lower() != "return-path"]
    rest: bytes = message.raw[message.body_offset :]
    return b"".join(fields) + newline + rest
