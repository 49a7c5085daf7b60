"""uuencoded - files in the text of a message, between ``begin`` and ``end``, which some readers show. Pure."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from milters.attachments.limits import Budget
from milters.attachments.member import Member, distinct, held

MAX_FILES = 100

_BEGIN = re.compile(rb"^begin [0-7]{3,4} ([^\r\n]{1,255})\r?$", re.MULTILINE)


def may_be(content: bytes) -> bool:
    """Whether to look."""
    return _BEGIN.search(content) is not None


def members(content: bytes, budget: Budget) -> Iterator[Member]:
    """Raises Limit."""
    for count, match in enumerate(_BEGIN.finditer(content)):
        if count >= MAX_FILES:
            return
        name = match[1].decode("utf-8", "replace").strip()
        yield held(distinct(name), _decode(content, match.end(), budget))


def _decode(content: bytes, at: int, budget: Budget) -> bytes:
    """The lines up to the first that is no longer one of the file."""
    found = bytearray()
    at = content.find(b"\n", at) + 1
    while 0 < at < len(content):
        end = content.find(b"\n", at)
        end = len(content) if end < 0 else end
        line = content[at:end].rstrip(b"\r")
        if line in (b"", b"`", b" ", b"end") or len(line) > 100:
            break
        try:
            found += binascii.a2b_uu(line)
        except binascii.Error:
            break
        at = end + 1
    budget.spend(len(found), 0, 1)
    return bytes(found)
