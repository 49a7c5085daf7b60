"""enotify (RFC 5435) with the method mailto (RFC 5436): notify, its two tests, and the modifier ``:encodeurl``.

A notification is a message of our own to the addresses of a URI (`lda.sieve.mailto`), one for each of them in a run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_letters, digits
from typing import ClassVar

from lda.sieve.autoreply import is_automatic
from lda.sieve.compile import Build
from lda.sieve.diagnostics import Severity
from lda.sieve.extensions.actions import ActionCommand, outbound
from lda.sieve.extensions.vacation import VacationOptions
from lda.sieve.extensions.variables import ModifierTag
from lda.sieve.language import Complaint, Extension, Kind, Predicate, Test, string, strings, tagged
from lda.sieve.letter import Letter, Send, compose, mailbox, shortened, trace_fields
from lda.sieve.machine import Failure, Frame
from lda.sieve.mailto import BadUri, Mailto, parse_uri
from lda.sieve.matching import MatchingTest
from lda.sieve.scope import Scope
from lda.sieve.text import Text, Texts
from lda.sieve.view import FieldView
from tamis.mail.address import Mailbox, parse_mailbox

_PROHIBITED = "local policy prohibits the use of a notify action"
_OPTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*=.*", re.DOTALL)
_UNRESERVED = frozenset((ascii_letters + digits + "-._~").encode())  # RFC 3986 section 2.3
_IMPORTANCE = {"1": ("1 (Highest)", "High"), "2": ("3 (Normal)", "Normal"), "3": ("5 (Lowest)", "Low")}


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyOptions:
    """max_notifications: in one run; 0 forbids them. author: who they are from where the script does not say; "": the
    user. envelope_from: where bounces of notifications go; None: to the address in From."""

    max_notifications: int = 10
    author: str = ""
    envelope_from: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification(Send):
    """The notification, or why there is none. told: who gets it, or would."""

    told: tuple[str, ...] = ()

    name: ClassVar[str] = "notify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify(ActionCommand):
    """``notify [":from" string] [":importance" <"1" / "2" / "3">] [":options" string-list] [":message" string]
    <method: string>``"""

    sender: Text | None = tagged(":from", Kind.STRING)
    importance: Text | None = tagged(":importance", Kind.STRING, constant=True)
    options: Texts | None = tagged(":options", Kind.STRINGS)
    message: Text | None = tagged(":message", Kind.STRING)
    method: Text = string("method")

    name: ClassVar[str] = "notify"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if not scope.limits.notifications:
            yield Complaint(_PROHIBITED)
        if self.importance is not None and self.importance.value not in _IMPORTANCE:
            text = f"invalid :importance value for notify command: {self.importance.value}"
            yield Complaint(text, self.importance.node)
        if (
            self.sender is not None
            and self.sender.value is not None
            and parse_mailbox(self.sender.value) is None
        ):
            text = f"notify command: specified :from address '{self.sender.value}' is invalid for the mailto method"
            yield Complaint(text, self.sender.node)
        if self.method.value is not None:
            yield from self._method_problems(self.method.value)
        for option in self.options or ():
            if option.value is not None and not _OPTION.fullmatch(option.value):
                text = f"notify command: invalid option name specified in option '{option.value}'"
                yield Complaint(text, option.node)
        if self.options:
            text = "notify command: method 'mailto' accepts no options"
            yield Complaint(text, self.options[0].node, severity=Severity.WARNING)

    def _method_problems(self, uri: str) -> Iterator[Complaint]:
        try:
            found = parse_uri(uri)
        except BadUri as bad:
            yield Complaint(f"notify command: {bad}", self.method.node)
            return
        for warning in found.warnings:
            text = f"notify command: mailto URI: {warning}"
            yield Complaint(text, self.method.node, severity=Severity.WARNING)

    def act(self, frame: Frame) -> None:
        frame.spend(200)
        try:
            uri = parse_uri(self.method(frame))
        except BadUri as bad:
            raise Failure(f"notify action: {bad}") from None
        named = self._author(frame)
        told = [action for action in frame.result.everything if isinstance(action, Notification)]
        most = frame.context.setting(NotifyOptions).max_notifications
        if not most:
            raise Failure(_PROHIBITED)
        if len(told) >= most:
            raise Failure(f"number of notify actions exceeds policy limit ({len(told) + 1} > {most})")
        known = {address for action in told for address in action.told}
        recipients = tuple(address for address in uri.recipients if address not in known)
        if not recipients:
            return
        if is_automatic(FieldView(frame.original.headers)):
            declined = "the message was sent by a program (auto-submitted)"
            self.decide(frame, Notification(source=self.source, told=recipients, declined=declined))
            return
        envelope_sender, raw = self._message(frame, uri, named)
        letters = tuple(Letter(sender=envelope_sender, recipient=address, raw=raw) for address in recipients)
        self.decide(frame, Notification(source=self.source, told=recipients, letters=letters))

    def _message(self, frame: Frame, uri: Mailto, named: Mailbox | None) -> tuple[str, bytes]:
        """The envelope's sender and the message. named: whom the script has for its author."""
        context = frame.context
        owner = context.setting(VacationOptions).user_email or frame.envelope.recipient
        site = parse_mailbox(context.setting(NotifyOptions).author)
        author = named or site or parse_mailbox(owner) or Mailbox(owner or "postmaster", "localhost")
        host = context.environment.get("host", "") or author.domain
        subject = self._subject(frame, uri)
        body = uri.body if uri.body is not None else "Notification of new message."
        priority, word = _IMPORTANCE["2" if self.importance is None else self.importance.value or "2"]
        owner_address = str(parse_mailbox(owner) or author).replace("\\", "\\\\").replace('"', '\\"')
        head = [
            ("Auto-Submitted", f'auto-notified; owner-email="{owner_address}"'),
            *trace_fields(context.now, host, *uri.recipients, subject, body, str(author)),
            ("From", mailbox(author)),
            *[("To", ", ".join(map(str, uri.to)))] * bool(uri.to),
            *[("Cc", ", ".join(map(str, uri.cc)))] * bool(uri.cc),
            ("Subject", subject),
            ("Precedence", "bulk"),
            ("X-Priority", priority),
            ("Importance", word),
            *[field for field in uri.fields if field[0].lower() not in {"x-priority", "importance"}],
        ]
        chosen = context.setting(NotifyOptions).envelope_from
        bounce = outbound(str(author) if chosen is None else chosen)
        return str(bounce) if frame.envelope.sender and bounce else "", compose(head, body)

    def _author(self, frame: Frame) -> Mailbox | None:
        """Whom the script names. Raises Failure for what is no address (RFC 5435 section 3.3)."""
        if self.sender is None:
            return None
        text = self.sender(frame)
        parsed = parse_mailbox(text)
        if parsed is None:
            raise Failure(f"notify action: specified :from address '{text}' is invalid for the mailto method")
        return parsed

    def _subject(self, frame: Frame, uri: Mailto) -> str:
        if self.message is not None:
            return shortened(self.message(frame))
        if uri.subject is not None:
            return shortened(uri.subject)
        received = FieldView(frame.original.headers).values("subject")
        return shortened(f"Notification: {received[0].strip()}") if received else "Notification: (no subject)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidNotifyMethod(Test):
    """``valid_notify_method <notification-uris: string-list>``: all of them can be notified."""

    uris: Texts = strings("notification uris")

    name: ClassVar[str] = "valid_notify_method"

    def holds(self, frame: Frame) -> bool:
        frame.spend(50 * len(self.uris))
        return all(_is_valid(text(frame)) for text in self.uris)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyMethodCapability(MatchingTest):
    """``notify_method_capability [COMPARATOR] [MATCH-TYPE] <notification-uri: string>
    <notification-capability: string> <key-list: string-list>``"""

    uri: Text = string("notification uri")
    capability: Text = string("notification capability")
    keys: Texts = strings("key list")

    name: ClassVar[str] = "notify_method_capability"

    def predicate(self, build: Build) -> Predicate:
        match = self.matcher(build, self.keys)

        def holds(frame: Frame) -> bool:
            if self.capability(frame).lower() != "online" or not _is_valid(self.uri(frame)):
                return False
            return match(frame, ("maybe",))

        return holds


def _is_valid(uri: str) -> bool:
    try:
        parse_uri(uri)
    except BadUri:
        return False
    return True


class EncodeUrl(ModifierTag):
    """``:encodeurl``: every octet that is reserved in a URI as ``%XX``."""

    name = ":encodeurl"
    precedence = 15

    def apply(self, value: str) -> str:
        octets = value.encode("utf-8", "surrogateescape")
        return "".join(chr(octet) if octet in _UNRESERVED else f"%{octet:02X}" for octet in octets)


EXTENSION = Extension(
    capability="enotify",
    commands=(Notify,),
    tests=(ValidNotifyMethod, NotifyMethodCapability),
    tags=(EncodeUrl,),
)
