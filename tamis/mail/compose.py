"""compose - MIME entities made of text, and messages made of others (RFC 2045, 2046). Pure.

Everything that is written here is ASCII with lines of at most 76 characters; enclosed messages stay as they are.
"""

from __future__ import annotations

import base64
import hashlib
import mmap
from collections.abc import Iterable

from tamis.mail.headers import Field, Headers
from tamis.mail.message import Message

MAX_LINE_CHARS = 76


class EnclosedMessage(Message):
    """A message that has *enclosed* as an attachment."""

    def __init__(self, raw: bytes | mmap.mmap, enclosed: Message) -> None:
        super().__init__(raw)
        self.enclosed = enclosed


def is_mime_field(field: Field) -> bool:
    """Whether the field tells how the body is to be read."""
    name = field.name.lower()
    return name.startswith("content-") or name == "mime-version"


def text_entity(text: str, newline: bytes = b"\r\n") -> tuple[bytes, bytes]:
    """The header fields and the content of a text/plain part. No line of it can be a delimiter."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    header = b"Content-Type: text/plain; charset=utf-8" + newline
    if all(line.isascii() and line.isprintable() and _is_short(line) for line in lines):
        return header, newline.join(line.encode("ascii") for line in lines)
    octets = base64.b64encode("\r\n".join(lines).encode("utf-8", "surrogateescape"))
    pieces = [octets[start : start + MAX_LINE_CHARS] for start in range(0, len(octets), MAX_LINE_CHARS)]
    return header + b"Content-Transfer-Encoding: base64" + newline, newline.join(pieces)


def _is_short(line: str) -> bool:
    return len(line) <= MAX_LINE_CHARS and not line.startswith("--")


def enclose(
    message: Message, text: str, fields: Iterable[bytes], newline: bytes = b"\r\n"
) -> EnclosedMessage:
    """A new message with the header *fields*: first *text*, then *message* whole."""
    raw: bytes = message.raw[:]
    boundary = b"=_" + hashlib.sha256(raw).hexdigest()[:40].encode()
    mark = newline + b"--" + boundary
    header, content = text_entity(text, newline)
    pieces = (
        *fields,
        b"MIME-Version: 1.0", newline,
        b'Content-Type: multipart/mixed; boundary="', boundary, b'"', newline,
        mark, newline, header, newline, content,
        mark, newline, b"Content-Type: message/rfc822", newline, newline, raw,
        mark, b"--", newline,
    )  # fmt: skip
    return EnclosedMessage(b"".join(pieces), message)


def merged(headers: Headers, mime_fields: bytes, newline: bytes = b"\r\n") -> bytes:
    """The fields of *headers* with *mime_fields* in place of those that told how to read the old body."""
    kept = (field.raw for field in headers if not is_mime_field(field))
    return b"".join(raw if raw.endswith(b"\n") else raw + newline for raw in kept) + mime_fields
