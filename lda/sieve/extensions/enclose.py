"""enclose (RFC 5703 section 6): the message becomes an attachment of a new one, which all later actions but redirect
and all later tests see.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import format_datetime
from typing import ClassVar

from lda.sieve.language import Command, Extension, Kind, string, tagged
from lda.sieve.machine import Frame
from lda.sieve.text import Text, Texts
from lda.sieve.view import MessageView
from tamis.mail import compose, encode
from tamis.mail.edit import newline_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclose(Command):
    """``enclose [":subject" string] [":headers" string-list] <string>``

    headers: copied from the old message; Date and From are new if they are not among them."""

    title: Text | None = tagged(":subject", Kind.STRING)
    headers: Texts | None = tagged(":headers", Kind.STRINGS)
    text: Text = string("text")

    name: ClassVar[str] = "enclose"

    def act(self, frame: Frame) -> None:
        message = frame.view.message
        frame.spend(100 + (len(message.raw) >> 2))
        enclosed = compose.enclose(message, self.text(frame), self._fields(frame), newline_of(frame.original))
        frame.view = MessageView(enclosed, frame.context.limits)

    def _fields(self, frame: Frame) -> Iterator[bytes]:
        """The header of the new message, but for its MIME fields."""
        newline, headers = newline_of(frame.original), frame.view.fields.headers
        wanted = {name(frame).lower() for name in self.headers or ()}
        own = frame.envelope.recipient or frame.context.user
        if self.title is None:
            wanted.add("subject")
        else:
            wanted.discard("subject")
            yield encode.field("Subject", self.title(frame), newline)
        if "date" not in wanted or not headers.all("date"):
            yield encode.field("Date", format_datetime(frame.context.now), newline)
        if own and ("from" not in wanted or not headers.all("from")):
            yield encode.field("From", f"<{own}>", newline)
        for field in headers:
            if field.name.lower() in wanted and not compose.is_mime_field(field):
                yield field.raw if field.raw.endswith(b"\n") else field.raw + newline


EXTENSION = Extension(capability="enclose", commands=(Enclose,))
