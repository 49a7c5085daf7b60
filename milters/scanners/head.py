"""head - answers with a head and a counted body, as HTTP and SPAMC have them. Pure.

A status line and fields, an empty line, and so many bytes as Content-Length says, or all until the server hangs up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from milters.scanners.question import MAX_ANSWER_BYTES
from tamis.errors import ProtocolError

MAX_HEAD_BYTES = 16 << 10
_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """status: its first line. fields: by lower-case name; of several with one name the last."""

    status: str
    fields: Mapping[str, str]
    body: bytes


def whole(answer: bytes) -> bool:
    """Whether *answer* holds all that it announces."""
    head, end, body = answer.partition(_END)
    if not end:
        return False
    length = _length(_fields(head))
    return length is not None and len(body) >= length


def parse(answer: bytes) -> Reply:
    """*answer* taken apart. Raises ProtocolError for one that is cut short, or none at all."""
    head, end, body = answer.partition(_END)
    if not end or len(head) > MAX_HEAD_BYTES:
        raise ProtocolError("an answer without an end of its head")
    fields = _fields(head)
    if "transfer-encoding" in fields or "content-encoding" in fields:
        raise ProtocolError("an answer in an encoding that was not asked for")
    length = _length(fields)
    if length is not None and len(body) != length:
        raise ProtocolError("an answer of another length than it says")
    return Reply(head.partition(b"\r\n")[0].decode("latin-1"), fields, body)


def _fields(head: bytes) -> dict[str, str]:
    lines = head[:MAX_HEAD_BYTES].decode("latin-1").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _colon, value in pairs}


def _length(fields: Mapping[str, str]) -> int | None:
    """Content-Length. Raises ProtocolError for one that is no number, or too large."""
    text = fields.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) > MAX_ANSWER_BYTES:
        raise ProtocolError("an answer of a length that cannot be")
    return int(text)


def field_value(text: str) -> bytes:
    """*text* as the value of a field: UTF-8 on one line, controls replaced, at most 1000 characters."""
    cleaned = "".join("?" if c < " " or "\x7f" <= c <= "\x9f" else c for c in text[:1000])
    return cleaned.strip().encode("utf-8", "replace")
