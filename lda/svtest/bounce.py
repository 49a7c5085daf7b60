"""bounce - the message that reject sends where no SMTP dialogue is left to refuse in (RFC 5429 section 2.2.1).

A disposition notification (RFC 8098): deleted by the recipient's script, with the reason and the header of the message.
"""

from __future__ import annotations

import re
from datetime import datetime

from lda.sieve import Envelope
from lda.sieve.letter import Letter, digest, header, trace_fields
from lda.svtest.options import ENVIRONMENT, POSTMASTER
from tamis.mail.message import Message


def refusal(reason: str, message: Message, envelope: Envelope, now: datetime) -> Letter | None:
    """The notification to the envelope's sender; None for the null sender, who is never answered."""
    if not envelope.sender:
        return None
    host, recipient = ENVIRONMENT["host"], envelope.recipient
    boundary = digest(now.isoformat(), envelope.sender, recipient, reason)[:32]
    head = [
        *trace_fields(now, host, envelope.sender, recipient, reason),
        ("From", f"Postmaster <{POSTMASTER}>"),
        ("To", f"<{envelope.sender}>"),
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/report; report-type=disposition-notification; boundary="{boundary}"'),
        ("Subject", "Automatically rejected mail"),
        ("Auto-Submitted", "auto-replied (rejected)"),
        ("Precedence", "bulk"),
    ]
    text = f"Your message to <{recipient}> was automatically rejected:\n"
    body = text + re.sub(r"\r\n?", "\n", reason)
    report = [
        ("Reporting-UA", f"{host}; Tamis"),
        ("Original-Recipient", f"rfc822; {envelope.original_recipient or recipient}"),
        ("Final-Recipient", f"rfc822; {recipient}"),
        ("Original-Message-ID", message.headers.first("Message-ID").decode("ascii", "replace")),
        ("Disposition", "automatic-action/MDN-sent-automatically; deleted"),
    ]
    original = b"".join(field.raw for field in message.headers).replace(b"\r\n", b"\n")
    mark = b"\n--" + boundary.encode()
    parts = (
        b"\nContent-Type: text/plain; charset=utf-8\n\n" + body.encode("utf-8", "surrogateescape"),
        b"\nContent-Type: message/disposition-notification\n\n" + header([f for f in report if f[1]]),
        b"\nContent-Type: text/rfc822-headers\n\n" + original,
    )
    raw = header(head) + b"".join(mark + part for part in parts) + mark + b"--\n"
    return Letter(sender="", recipient=envelope.sender, raw=raw)
