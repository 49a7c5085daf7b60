"""edit - a message with other header fields than the one it was made from. Pure.

The message as received stays as it is. The bytes of the new one are put together when somebody first asks for them.
"""

from __future__ import annotations

import mmap
from functools import cached_property

from tamis.mail.headers import Field, Headers
from tamis.mail.message import Message


def newline_of(message: Message) -> bytes:
    """How the header lines of *message* end."""
    raw = message.raw
    end = raw.find(b"\n")
    return b"\n" if end == 0 or (end > 0 and raw[end - 1 : end] != b"\r") else b"\r\n"


def unedited(message: Message) -> Message:
    """The message whose body *message* has."""
    return message.received if isinstance(message, EditedMessage) else message


class EditedMessage(Message):
    """*message* with the header section *fields*. received: the one that was never edited, whose body it has."""

    def __init__(self, message: Message, fields: tuple[Field, ...]) -> None:
        self.received = unedited(message)
        self._fields = fields

    @cached_property
    def _header(self) -> bytes:
        """The header section with the empty line that ends it."""
        newline = newline_of(self.received)
        pieces = [field.raw if field.raw.endswith(b"\n") else field.raw + newline for field in self._fields]
        before = self.received.raw[: self.received.body_offset]
        separated = before.endswith((b"\n\n", b"\r\n\r\n")) or before in (b"\n", b"\r\n")
        if separated or len(self.received.raw) > self.received.body_offset:
            pieces.append(newline)
        return b"".join(pieces)

    @cached_property
    def _joined(self) -> bytes:
        body: bytes = self.received.raw[self.received.body_offset :]
        return self._header + body

    @property
    def raw(self) -> bytes | mmap.mmap:
        return self._joined

    @cached_property
    def body(self) -> bytes:
        return self.received.body

    @property
    def size_bytes(self) -> int:
        return len(self._header) + self.received.size_bytes - self.received.body_offset

    @cached_property
    def _split(self) -> tuple[Headers, int]:
        return Headers(self._fields), len(self._header)
