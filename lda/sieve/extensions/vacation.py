"""vacation (RFC 5230) and vacation-seconds (RFC 6131): a reply to the sender, once in a while.

The reply answers the message as it was received. Whether it may be sent at all is decided here, but for what only the
host knows: whether the sender has had it already.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve import plan
from lda.sieve.autoreply import addressed, author, plain, unwanted
from lda.sieve.diagnostics import Severity
from lda.sieve.extensions.actions import ActionCommand, outbound
from lda.sieve.language import (
    Complaint,
    Extension,
    Item,
    Kind,
    Tag,
    flag,
    number,
    string,
    tagged,
)
from lda.sieve.letter import Letter, Send, compose, digest, header, mailbox, shortened, trace_fields
from lda.sieve.machine import Frame
from lda.sieve.scope import Scope
from lda.sieve.text import Text, Texts
from lda.sieve.view import FieldView
from tamis.mail.address import Mailbox, parse_mailbox
from tamis.mail.headers import split

DAY_S = 86_400
MAX_REFERENCES = 20
_MESSAGE_ID = re.compile(r"<[^<>\s\x00-\x1f\x7f]{1,250}>")


@dataclass(frozen=True, slots=True, kw_only=True)
class VacationOptions:
    """min_period_s, max_period_s, default_period_s: how often one sender is answered; max 0: no limit.

    user_email: the user's own address. use_original_recipient: that address is the user's too. check_recipient: do not
    reply unless the message names one of the user's addresses. send_from_recipient: an envelope sender that is not
    null. to_header_ignore_envelope: To names who wrote the message, not who sent it."""

    min_period_s: int = DAY_S
    max_period_s: int = 60 * DAY_S
    default_period_s: int = 7 * DAY_S
    default_subject: str = "Automated reply"
    subject_template: str = ""
    user_email: str = ""
    use_original_recipient: bool = False
    check_recipient: bool = True
    send_from_recipient: bool = False
    to_header_ignore_envelope: bool = False

    def period_s(self, wanted_s: int | None) -> int:
        """*wanted_s* within what the site allows."""
        period_s = max(self.default_period_s if wanted_s is None else wanted_s, self.min_period_s)
        return min(period_s, self.max_period_s) if self.max_period_s else period_s


@dataclass(frozen=True, slots=True, kw_only=True)
class VacationReply(Send):
    """The reply, or why there is none."""

    name: ClassVar[str] = "vacation"

    def conflict(self, other: plan.Action) -> str:
        if isinstance(other, VacationReply):
            return (
                f"duplicate vacation action not allowed (previously triggered one was here: {other.source})"
            )
        if isinstance(other, plan.Reject):
            what = "vacation action conflicts with other action"
            return f"{what}: the reject action ({other.source}) also sends a response back to the sender"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vacation(ActionCommand):
    """``vacation [":days" number] [":subject" string] [":from" string] [":addresses" string-list] [":mime"]
    [":handle" string] <reason: string>``"""

    days: int | None = tagged(":days", Kind.NUMBER)
    title: Text | None = tagged(":subject", Kind.STRING)
    sender: Text | None = tagged(":from", Kind.STRING)
    addresses: Texts | None = tagged(":addresses", Kind.STRINGS)
    mime: bool = flag(":mime")
    handle: Text | None = tagged(":handle", Kind.STRING)
    reason: Text = string("reason")

    name: ClassVar[str] = "vacation"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if self.days == 0:
            text = "specified :days value '0' is under the minimum"
            yield Complaint(text, severity=Severity.WARNING)
        if self.sender is not None and self.sender.value and parse_mailbox(self.sender.value) is None:
            text = f"specified :from address '{self.sender.value}' is invalid for vacation action"
            yield Complaint(text, self.sender.node)
        for address in self.addresses or ():
            if address.value is not None and parse_mailbox(address.value) is None:
                text = f"specified :addresses item '{address.value}' is invalid for vacation action (ignored)"
                yield Complaint(text, address.node, severity=Severity.WARNING)

    def act(self, frame: Frame) -> None:
        if any(isinstance(action, VacationReply) for action in frame.result.settled):
            frame.warn("a script before this one replies already", self.source)
            return
        frame.spend(200)
        options = frame.context.setting(VacationOptions)
        fields = FieldView(frame.original.headers)
        own = self._own(frame, options)
        named = addressed(fields, own)
        declined = unwanted(fields, frame.envelope.sender, own)
        if not frame.envelope.recipient:
            declined = "the message has no recipient to reply for"
        elif not declined and options.check_recipient and not named:
            declined = "the message is not addressed to the user"
        target = outbound(frame.envelope.sender)
        if not declined and target is None:
            declined = "the sender's address cannot be written to"
        letters: tuple[Letter, ...] = ()
        if not declined:
            letters = (
                self._letter(
                    frame,
                    options,
                    fields,
                    own.get(named, options.user_email or frame.envelope.recipient),
                    str(target),
                ),
            )
        action = VacationReply(
            source=self.source,
            letters=letters,
            declined=declined,
            once=self._key(frame),
            keep_s=options.period_s(self._wanted_s()),
        )
        self.decide(frame, action)

    def _own(self, frame: Frame, options: VacationOptions) -> dict[str, str]:
        """The user's addresses as they are compared and as they are written, the one to reply from first."""
        envelope = frame.envelope
        written = [envelope.recipient, options.user_email, *(text(frame) for text in self.addresses or ())]
        if options.use_original_recipient:
            written.insert(0, envelope.original_recipient)
        own: dict[str, str] = {}
        for text in filter(None, written):
            parsed = parse_mailbox(text)
            address = text if parsed is None else str(parsed)
            own.setdefault(plain(address), address)
        return own

    def _wanted_s(self) -> int | None:
        for tag in self.tags:
            if isinstance(tag, SecondsTag):
                return tag.seconds
        return None if self.days is None else self.days * DAY_S

    def _key(self, frame: Frame) -> str:
        """What makes a reply another one (section 4.7): the sender, and the handle or the whole text."""
        sender = plain(frame.envelope.sender)
        if self.handle is not None:
            return digest("vacation", sender, "handle", self.handle(frame))
        subject, author_ = _value(self.title, frame), _value(self.sender, frame)
        return digest("vacation", sender, self.reason(frame), subject, author_, str(self.mime))

    def _letter(
        self, frame: Frame, options: VacationOptions, fields: FieldView, own: str, target: str
    ) -> Letter:
        context, reason = frame.context, self.reason(frame)
        host = context.environment.get("host", "") or own.rpartition("@")[2] or "localhost"
        named = author(fields, "" if options.to_header_ignore_envelope else frame.envelope.sender)
        to = named or parse_mailbox(target)
        assert to is not None
        head = [
            *trace_fields(context.now, host, target, own, reason),
            ("From", self._from(frame, own)),
            ("To", mailbox(to)),
            ("Subject", self._subject(frame, options, fields)),
            *_threading(fields),
            ("Auto-Submitted", "auto-replied (vacation)"),
            ("Precedence", "bulk"),
            ("X-Auto-Response-Suppress", "All"),
        ]
        raw = _entity(head, reason) if self.mime else compose(head, reason)
        return Letter(sender=own if options.send_from_recipient else "", recipient=target, raw=raw)

    def _from(self, frame: Frame, own: str) -> str:
        if self.sender is not None and (text := self.sender(frame)):
            parsed = parse_mailbox(text)
            if parsed is not None:
                return mailbox(parsed)
            what = f"specified :from address '{text}' is invalid for vacation action (ignored)"
            frame.warn(what, self.source)
        return mailbox(parse_mailbox(own) or Mailbox(own, "localhost"))

    def _subject(self, frame: Frame, options: VacationOptions, fields: FieldView) -> str:
        if self.title is not None and (title := self.title(frame)):
            return shortened(title)
        received = fields.values("subject")
        if not received or not received[0].strip():
            return options.default_subject
        template = options.subject_template or "Auto: %{subject}"
        subject = received[0].strip()
        return shortened(re.sub(r"%\$|%\{subject\}", lambda _: subject, template))


def _value(text: Text | None, frame: Frame) -> str:
    return "" if text is None else text(frame)


def _threading(fields: FieldView) -> list[tuple[str, str]]:
    """In-Reply-To and References (RFC 5322 section 3.6.4)."""
    own = [i for value in fields.values("message-id")[:1] for i in _MESSAGE_ID.findall(value)[:1]]
    earlier = fields.values("references")[:1] or fields.values("in-reply-to")[:1]
    thread = [i for value in earlier for i in _MESSAGE_ID.findall(value)]
    thread = [*thread[:1], *thread[1:][-MAX_REFERENCES:], *own]
    return [(name, " ".join(ids)) for name, ids in (("In-Reply-To", own), ("References", thread)) if ids]


def _entity(head: Sequence[tuple[str, str]], entity: str) -> bytes:
    """A message whose body is the MIME *entity*; of that one's fields only those of MIME count."""
    raw = re.sub(r"\r\n?", "\n", entity).encode("utf-8", "surrogateescape")
    theirs, body = split(raw)
    kept = [field.raw for field in theirs if field.name.lower().startswith("content-")]
    lines = b"".join(field if field.endswith(b"\n") else field + b"\n" for field in kept)
    return header([*head, ("MIME-Version", "1.0")]) + lines + b"\n" + raw[body:]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondsTag(Tag):
    """``:seconds``"""

    seconds: int = number("seconds")

    name: ClassVar[str] = ":seconds"
    on: ClassVar[frozenset[str]] = frozenset({"vacation"})

    def among(self, item: Item) -> Iterator[Complaint]:
        if isinstance(item, Vacation) and item.days is not None:
            yield Complaint("encountered duplicate :seconds argument for the vacation command", self.node)


EXTENSIONS = (
    Extension(capability="vacation", commands=(Vacation,)),
    Extension(capability="vacation-seconds", tags=(SecondsTag,), implies=("vacation",)),
)
