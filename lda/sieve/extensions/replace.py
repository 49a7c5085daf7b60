"""replace (RFC 5703 section 5): another text, or another MIME entity, in place of the current part or the message.

Fields that tell how the body is read go with the old body; all others stay, Subject and From as Original-Subject and
Original-From where new ones are given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.language import Command, Complaint, Extension, Kind, flag, string, tagged
from lda.sieve.machine import Failure, Frame
from lda.sieve.parts import Loop, Parts
from lda.sieve.scope import Scope
from lda.sieve.text import Text
from lda.sieve.view import MessageView
from tamis.mail import compose, encode
from tamis.mail.address import Mailbox, parse_list
from tamis.mail.edit import newline_of, unedited
from tamis.mail.headers import Field, Headers
from tamis.mail.message import Message

_NEWLINE = re.compile(rb"\r?\n")
_SPECIAL = re.compile(r"[^\w!#$%&'*+/=?^`{|}~ -]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace(Command):
    """``replace [":mime"] [":subject" string] [":from" string] <replacement: string>``

    mime: the replacement is an entity with its header; without, a text. title, author: for the whole message."""

    mime: bool = flag(":mime")
    title: Text | None = tagged(":subject", Kind.STRING)
    author: Text | None = tagged(":from", Kind.STRING)
    replacement: Text = string("replacement")

    name: ClassVar[str] = "replace"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if self.author is not None and self.author.value is not None and not _authors(self.author.value):
            yield Complaint(f"specified :from address '{self.author.value}' is invalid", self.author.node)

    def act(self, frame: Frame) -> None:
        newline, parts = newline_of(frame.original), frame.state(Parts)
        mime_fields, content = self._entity(frame, newline)
        loop = parts.current(frame)
        if loop is None or loop.part is loop.whole:
            fields = Headers(tuple(self._fields(frame, newline)))
            header = compose.merged(fields, b"MIME-Version: 1.0" + newline + mime_fields, newline)
            message = Message(header + newline + content)
        else:
            header = compose.merged(loop.part.headers, mime_fields, newline)
            message = _with_part(frame, loop, header + newline + content)
        if loop is not None:
            parts.change(frame, loop, message)
        frame.spend(100 + (len(message.raw) >> 4))
        frame.view = MessageView(message, frame.context.limits)

    def _entity(self, frame: Frame, newline: bytes) -> tuple[bytes, bytes]:
        """The MIME fields and the content."""
        text = self.replacement(frame)
        if not self.mime:
            return compose.text_entity(text, newline)
        entity = Message(_NEWLINE.sub(newline, text.encode("utf-8", "surrogateescape")))
        fields = (field.raw for field in entity.headers if field.name.lower().startswith("content-"))
        return b"".join(raw if raw.endswith(b"\n") else raw + newline for raw in fields), entity.body

    def _fields(self, frame: Frame, newline: bytes) -> Iterator[Field]:
        """The header of the message, renamed and added to."""
        given = {}
        if self.title is not None:
            given["subject"] = ("Subject", self.title(frame))
        if self.author is not None and (author := _authors(self.author(frame))):
            given["from"] = ("From", author)
        for name, text in given.values():
            yield Field(name, encode.field(name, text, newline))
        for field in frame.view.fields.headers:
            if field.name.lower() in given:
                name = f"Original-{given[field.name.lower()][0]}"
                yield Field(name, name.encode() + b":" + field.raw.partition(b":")[2])
            else:
                yield field


def _authors(text: str) -> str:
    """*text*, a mailbox-list, as it can be written into a field; "" if it is none."""
    found = parse_list(text)
    if found.invalid or not found.mailboxes:
        return ""
    return text if text.isascii() else ", ".join(map(_shown, found.mailboxes))


def _shown(mailbox: Mailbox) -> str:
    name = " ".join(_SPECIAL.sub(" ", mailbox.name).split())
    return f"{name} <{mailbox}>" if name else str(mailbox)


def _with_part(frame: Frame, loop: Loop, entity: bytes) -> Message:
    """The message with *entity* in place of the current part of *loop*. Raises Failure."""
    now, then = frame.view.message, loop.message
    if unedited(now) is not unedited(then):
        raise Failure("replace action: the message is not the one any more that the loop goes over")
    raw: bytes = now.raw[:]
    shift = now.body_offset - then.body_offset
    start, end = loop.part.header_start + shift, loop.part.end + shift
    return Message(raw[:start] + entity + raw[end:])


EXTENSION = Extension(capability="replace", commands=(Replace,))
