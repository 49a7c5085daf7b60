"""message_file - what a command reads: a file, or - for standard input; a message with LF or CRLF at its lines."""

from __future__ import annotations

import sys
from pathlib import Path

from tamis.mail.message import Message

STDIN = "-"


def read_message(name: str) -> Message:
    """The message; the line before it in an mbox is none of it. Raises OSError."""
    raw = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
    if raw.startswith(b"From "):
        raw = raw.partition(b"\n")[2]
    return Message(raw)


def read_octets(name: str, most_bytes: int) -> bytes:
    """What is there, up to one octet more than *most_bytes*, by which a caller knows that it is too much. Raises
    OSError."""
    if name == STDIN:
        return sys.stdin.buffer.read(most_bytes + 1)
    with Path(name).open("rb") as file:
        return file.read(most_bytes + 1)


def write_with(fields: bytes, message: Message) -> None:
    """*fields*, each ended by CRLF, above the message, on standard output, with the message's own line ends."""
    raw = bytes(message.raw)
    if b"\r\n" not in raw:
        fields = fields.replace(b"\r\n", b"\n")
    sys.stdout.buffer.write(fields + raw)
    sys.stdout.buffer.flush()
