"""success - the report that a sender asked for with NOTIFY=SUCCESS (RFC 3461): the message has arrived.

LMTP with DSN leaves it to us: the MTA in front of us sends none then. A multipart/report (RFC 6522) from the null
sender with a message/delivery-status (RFC 3464) and the header of the message, or all of it where RET=FULL asks for
that and it is not large. Pure.
"""

from __future__ import annotations

from datetime import datetime

from lda.envelope import Envelope
from lda.sieve.letter import Letter, digest, entity, header, trace_fields
from lda.sieve.terms import Terms
from tamis.mail.message import Message

MAX_RETURNED_BYTES = 50_000  # as Postfix's bounce_size_limit
_NEVER = Terms(notify=("NEVER",))


def wanted(envelope: Envelope) -> bool:
    """Whether there is somebody who asked for it."""
    return bool(envelope.sender) and "SUCCESS" in envelope.terms.notify


def report(envelope: Envelope, message: Message, hostname: str, now: datetime, *, relayed: bool) -> Letter:
    """To the sender of *envelope*. relayed: the message went on to others, and is in no mailbox here."""
    boundary = f"=_{digest(hostname, now.isoformat(), envelope.recipient, envelope.queue_id)[:40]}"
    word = "was sent on to another address" if relayed else "was delivered"
    fields = [
        *trace_fields(now, hostname, envelope.recipient, envelope.queue_id),
        ("From", f"Mail Delivery System <MAILER-DAEMON@{hostname}>"),
        ("To", f"<{envelope.sender}>"),
        ("Subject", "Successful Mail Delivery Report"),
        ("Auto-Submitted", "auto-replied"),
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/report; report-type=delivery-status; boundary="{boundary}"'),
    ]
    text = f"This is the mail system at host {hostname}.\n\nYour message to <{envelope.recipient}> {word}.\n"
    parts = [entity(text), _status(envelope, hostname, now, relayed=relayed), _returned(envelope, message)]
    mark = f"\n--{boundary}".encode()
    body = b"".join(mark + b"\n" + part for part in parts) + mark + b"--\n"
    return Letter(recipient=envelope.sender, raw=header(fields) + body, terms=_NEVER)


def _status(envelope: Envelope, hostname: str, now: datetime, *, relayed: bool) -> bytes:
    terms = envelope.terms
    about_message = [("Reporting-MTA", f"dns; {hostname}")]
    if terms.envid:
        about_message.append(("Original-Envelope-Id", terms.envid))
    kind = "rfc822" if envelope.recipient.isascii() else "utf-8"
    about_recipient = [
        ("Final-Recipient", f"{kind}; {envelope.recipient}"),
        ("Action", "relayed" if relayed else "delivered"),
        ("Status", "2.0.0"),
    ]
    if terms.orcpt:
        about_recipient.insert(0, ("Original-Recipient", terms.orcpt.replace(";", "; ", 1)))
    head = b"Content-Type: message/delivery-status\n\n"
    return head + header(about_message) + b"\n" + header(about_recipient)


def _returned(envelope: Envelope, message: Message) -> bytes:
    if envelope.terms.ret == "FULL" and message.size_bytes <= MAX_RETURNED_BYTES:
        return b"Content-Type: message/rfc822\n\n" + bytes(message.raw[:])
    head = bytes(message.raw[: min(message.body_offset, MAX_RETURNED_BYTES)])
    return b"Content-Type: text/rfc822-headers\n\n" + head.rstrip(b"\r\n") + b"\n"
