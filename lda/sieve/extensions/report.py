"""vnd.dovecot.report (spec-bosch-sieve-report): tell somebody about abuse in the format made for it (RFC 5965).

The report is about the message as it was received. It comes from nobody (the null sender), is marked as automatic,
never goes to the user who reports, and no report is reported: so two that report to each other come to an end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve import plan
from lda.sieve.autoreply import is_automatic, plain
from lda.sieve.extensions.actions import ActionCommand, outbound
from lda.sieve.extensions.vacation import VacationOptions
from lda.sieve.language import Complaint, Extension, flag, string
from lda.sieve.letter import Letter, Send, digest, entity, header, mailbox, trace_fields
from lda.sieve.machine import Failure, Frame
from lda.sieve.scope import Scope
from lda.sieve.text import Text
from lda.sieve.view import FieldView
from tamis.mail.address import Mailbox, parse_mailbox
from tamis.mail.message import Message

MAX_SUBJECT_CHARS = 256
MAX_TYPE_CHARS = 128
_TOKEN = re.compile(rf"[!#$%&'*+.0-9A-Z^_`a-z{{|}}~-]{{1,{MAX_TYPE_CHARS}}}")  # RFC 2045 section 5.1
_SOURCES = ("sender", "recipient", "orig_recipient", "user_email", "postmaster")
_REPORT = re.compile(r"\s*multipart/report\s*;.*feedback-report", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """sender: whose address is in From: ``postmaster``, ``sender``, ``recipient``, ``orig_recipient``, ``user_email``
    or ``<address>``; what names no address means postmaster. postmaster: that address; "": of our own domain."""

    sender: str = "postmaster"
    postmaster: str = ""

    def problems(self) -> Iterator[str]:
        """What is wrong with these options: ``key: sentence``."""
        if self.sender not in _SOURCES and _in_brackets(self.sender) is None:
            yield f"sender: must be one of {', '.join(_SOURCES)} or <address>, not {self.sender!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AbuseReport(Send):
    """The report, or why there is none. feedback_type: as the script wrote it; recipient: an addr-spec."""

    feedback_type: str
    recipient: str

    name: ClassVar[str] = "report"

    def same_as(self, other: plan.Action) -> bool:
        return (
            isinstance(other, AbuseReport)
            and other.recipient == self.recipient
            and other.feedback_type.lower() == self.feedback_type.lower()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(ActionCommand):
    """``report [":headers_only"] <feedback-type: string> <message: string> <recipient: string>``"""

    headers_only: bool = flag(":headers_only")
    feedback_type: Text = string("feedback-type")
    message: Text = string("message")
    recipient: Text = string("recipient")

    name: ClassVar[str] = "report"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        kind, recipient = self.feedback_type.value, self.recipient.value
        if kind is not None and not _TOKEN.fullmatch(kind):
            yield Complaint(f"specified feedback type '{kind}' is invalid", self.feedback_type.node)
        if recipient is not None and outbound(recipient) is None:
            yield Complaint(f"specified report address '{recipient}' is invalid", self.recipient.node)

    def act(self, frame: Frame) -> None:
        frame.spend(200)
        kind, address = self.feedback_type(frame), self.recipient(frame)
        if not _TOKEN.fullmatch(kind):
            raise Failure(f"specified report feedback type '{kind}' is invalid")
        target = outbound(address)
        if target is None:
            raise Failure(f"specified report address '{address}' is invalid")
        declined = _declined(frame, target)
        letters: tuple[Letter, ...] = ()
        if not declined:
            letters = (Letter(recipient=str(target), raw=self._report(frame, kind, target)),)
        action = AbuseReport(
            source=self.source,
            feedback_type=kind,
            recipient=str(target),
            letters=letters,
            declined=declined,
        )
        self.decide(frame, action)

    def _report(self, frame: Frame, kind: str, target: Mailbox) -> bytes:
        """The whole message: a text, the facts, the message or its header (RFC 5965 section 2)."""
        text, received = self.message(frame), _received(frame.original, headers_only=self.headers_only)
        frame.spend(len(received) >> 6)
        author, envelope = _author(frame), frame.envelope
        host = frame.context.environment.get("host", "") or author.domain
        boundary = digest(frame.context.now.isoformat(), envelope.sender, str(target), kind, text)[:32]
        mark = b"\n--" + boundary.encode("ascii")
        parts = (
            b"\nContent-Disposition: inline\n" + entity(text),
            b"\nContent-Type: message/feedback-report\n\n" + header(_facts(frame, kind)),
            b"\n" + received,
        )
        body = b"\nThis is a message in MIME format.\n" + b"".join(mark + part for part in parts)
        head = [
            *trace_fields(frame.context.now, host, str(target), kind, text, str(author)),
            ("From", mailbox(author)),
            ("To", f"<{target}>"),
            ("Subject", f"Report: {_subject(frame)}"),
            ("Auto-Submitted", "auto-generated (report)"),
            ("MIME-Version", "1.0"),
            ("Content-Type", f'multipart/report; report-type=feedback-report; boundary="{boundary}"'),
            *[("Content-Transfer-Encoding", "8bit")] * (not body.isascii()),
        ]
        return header(head) + body + mark + b"--\n"


def _declined(frame: Frame, target: Mailbox) -> str:
    """Why nothing may be reported to *target*, or "" (section 3: no mail loops)."""
    envelope, context = frame.envelope, frame.context
    own = (envelope.recipient, envelope.original_recipient, context.user, _owner(frame))
    delimiters = context.recipient_delimiter
    if _account(str(target), delimiters) in {_account(address, delimiters) for address in own if address}:
        return "the report would go to the user"
    fields = FieldView(frame.original.headers)
    if is_automatic(fields) and any(map(_REPORT.match, fields.values("content-type"))):
        return "the message is itself a report"
    return ""


def _account(address: str, delimiters: str) -> str:
    """*address* without what subaddressing adds."""
    local, at, domain = plain(address).rpartition("@")
    name = re.split(f"[{re.escape(delimiters)}]", local, maxsplit=1)[0] if delimiters else local
    return f"{name or local}{at}{domain}"


def _owner(frame: Frame) -> str:
    return frame.context.setting(VacationOptions).user_email or frame.envelope.recipient


def _author(frame: Frame) -> Mailbox:
    options, envelope = frame.context.setting(ReportOptions), frame.envelope
    named = {
        "sender": envelope.sender,
        "recipient": envelope.recipient,
        "orig_recipient": envelope.original_recipient or envelope.recipient,
        "user_email": _owner(frame),
    }
    written = named.get(options.sender, "")
    found = parse_mailbox(written) if written else _in_brackets(options.sender)
    return found or _postmaster(frame, options)


def _in_brackets(text: str) -> Mailbox | None:
    return parse_mailbox(text[1:-1]) if text[:1] == "<" and text[-1:] == ">" else None


def _postmaster(frame: Frame, options: ReportOptions) -> Mailbox:
    environment = frame.context.environment
    domain = environment.get("domain", "") or environment.get("host", "")
    domain = domain or frame.envelope.recipient.rpartition("@")[2] or "localhost"
    found = parse_mailbox(options.postmaster) or Mailbox("postmaster", domain)
    return Mailbox(found.local, found.domain, "Postmaster")


def _subject(frame: Frame) -> str:
    received = FieldView(frame.original.headers).values("subject")
    text = received[0].strip() if received else ""
    return text[:MAX_SUBJECT_CHARS] or "(message without subject)"


def _facts(frame: Frame, kind: str) -> list[tuple[str, str]]:
    """The fields of message/feedback-report (RFC 5965 section 3). The last one is of Dovecot's own."""
    envelope = frame.envelope
    recipient, owner = envelope.original_recipient or envelope.recipient, _owner(frame)
    return [
        ("Version", "1"),
        ("Feedback-Type", kind),
        ("User-Agent", "Tamis"),
        ("Original-Mail-From", f"<{envelope.sender}>"),
        *[("Original-Rcpt-To", f"<{recipient}>")] * bool(recipient),
        *[("Dovecot-Reporting-User", f"<{owner}>")] * bool(owner),
    ]


def _received(message: Message, *, headers_only: bool) -> bytes:
    """The third part: what was received, with the line ends of local submission."""
    kind = b"text/rfc822-headers" if headers_only else b"message/rfc822"
    raw = b"".join(field.raw for field in message.headers) if headers_only else bytes(message.raw[:])
    raw = raw.replace(b"\r\n", b"\n")
    encoding = b"" if raw.isascii() else b"Content-Transfer-Encoding: 8bit\n"
    return b"Content-Type: " + kind + b"\nContent-Disposition: attachment\n" + encoding + b"\n" + raw


EXTENSION = Extension(capability="vnd.dovecot.report", commands=(Report,))
