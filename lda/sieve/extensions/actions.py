"""actions - keep, discard, redirect (RFC 5228 section 4), and what every action command shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

from lda.sieve import plan
from lda.sieve.language import Command, Complaint, Tag, string
from lda.sieve.machine import Failure, Frame
from lda.sieve.scope import Scope
from lda.sieve.text import Text
from tamis.mail.address import Mailbox, parse_mailbox
from tamis.mail.compose import EnclosedMessage
from tamis.mail.edit import unedited
from tamis.mail.message import Message

AnyAction = TypeVar("AnyAction", bound=plan.Action)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionTag(Tag):
    """A tag that changes the action which its command decides on (``:copy``, ``:flags``)."""

    def modify(self, frame: Frame, action: plan.Action) -> plan.Action:
        """*action* as this tag wants it."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionCommand(Command):
    """A command that decides on one action."""

    def decide(self, frame: Frame, action: plan.Action) -> None:
        """Add *action*, changed by the tags. Raises Failure."""
        for tag in self.tags:
            if isinstance(tag, ActionTag):
                action = tag.modify(frame, action)
        frame.add(action)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTag(Tag):
    """A tag that makes the argument of redirect stand for other addresses (``:list``)."""

    on: ClassVar[frozenset[str]] = frozenset({"redirect"})

    def addresses(self, frame: Frame, text: str) -> Sequence[str]:
        """The addresses that *text* stands for. Raises Failure."""
        raise NotImplementedError


def edited(frame: Frame) -> Message | None:
    """The message as commands have changed it; None if it is as received."""
    message = frame.view.message
    return None if message is frame.original else message


def forwarded(frame: Frame) -> Message | None:
    """As `edited`, for redirect, which an enclosure is not meant for (RFC 5703 section 6)."""
    message = frame.view.message
    while isinstance(enclosing := unedited(message), EnclosedMessage):
        message = enclosing.enclosed
    return None if message is frame.original else message


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep(ActionCommand):
    """``keep``"""

    name: ClassVar[str] = "keep"

    def act(self, frame: Frame) -> None:
        self.decide(frame, plan.Keep(source=self.source, flags=frame.flags, message=edited(frame)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Discard(ActionCommand):
    """``discard``"""

    name: ClassVar[str] = "discard"

    def act(self, frame: Frame) -> None:
        self.decide(frame, plan.Discard(source=self.source))


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect(ActionCommand):
    """``redirect <address: string>``"""

    address: Text = string("address")

    name: ClassVar[str] = "redirect"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        value = self.address.value
        meant = not any(isinstance(tag, TargetTag) for tag in self.tags)
        if value is not None and meant and outbound(value) is None:
            yield Complaint(f"specified redirect address '{value}' is invalid", self.address.node)

    def act(self, frame: Frame) -> None:
        values: Sequence[str] = (self.address(frame),)
        for tag in self.tags:
            if isinstance(tag, TargetTag):
                values = tag.addresses(frame, values[0])
        for value in values:
            self._to(frame, value)

    def _to(self, frame: Frame, value: str) -> None:
        mailbox = outbound(value)
        if mailbox is None:
            raise Failure(f"specified redirect address '{value}' is invalid")
        action = plan.Redirect(source=self.source, address=str(mailbox), message=forwarded(frame))
        self.decide(frame, action)


def outbound(text: str) -> Mailbox | None:
    """*text* as an address to send to (RFC 5228 section 2.4.2.3), its domain in lower case; None if it is none.

    ASCII only: the next hop need not know SMTPUTF8."""
    mailbox = parse_mailbox(text)
    if mailbox is None or not (mailbox.local.isascii() and mailbox.domain.isascii()):
        return None
    if any(character < " " or character == "\x7f" for character in mailbox.local):
        return None
    return replace(mailbox, domain=mailbox.domain.lower(), name="")
