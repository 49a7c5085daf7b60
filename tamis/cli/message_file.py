"""message_file - a message as a command gets it: a file, or - for standard input; with LF or CRLF at its lines."""

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


def write_with(fields: bytes, message: Message) -> None:
    """*fields*, each ended by CRLF, above the message, on standard output, with the message's own line ends."""
    raw = bytes(message.raw)
    if b"\r\n" not in raw:
        fields = fields.replace(b"\r\n", b"\n")
    sys.stdout.buffer.write(fields + raw)
    sys.stdout.buffer.flush()
