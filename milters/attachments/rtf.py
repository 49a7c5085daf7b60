"""rtf - the files that an RTF document holds: OLE objects in hexadecimal digits (MS-OLEDS section 2.2). Pure; bounded.

Word reads such digits whatever stands between them, so blanks, control words and groups are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from milters.attachments.limits import Budget
from milters.attachments.member import Member, held
from milters.attachments.office import package

START = b"{\\rt"

MAX_OBJECTS = 1000
_OBJECT = re.compile(rb"\\objdata\b")
_NO_DIGITS = re.compile(rb"\\'..|\\[a-zA-Z]{1,32}-?[0-9]{0,10} ?|\\.|[^0-9A-Fa-f]", re.DOTALL)
_END = re.compile(rb"\}[\s}]*(?:\\|\{|\Z)|\\objdata\b|\\result\b")


def members(data: bytes, budget: Budget) -> Iterator[Member]:
    """Raises Limit."""
    for count, match in enumerate(_OBJECT.finditer(data)):
        if count >= MAX_OBJECTS:
            return
        end = _END.search(data, match.end())
        digits = _NO_DIGITS.sub(b"", data[match.end() : end.start() if end else len(data)])
        content = bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))
        budget.spend(len(content), 0, 1)
        yield from _object(content)


def _object(content: bytes) -> Iterator[Member]:
    """Version, format, three strings with their lengths, the size of the data, the data."""
    at, kind = 8, b""
    for number in range(3):
        size = int.from_bytes(content[at : at + 4], "little")
        kind = content[at + 4 : at + 4 + size].rstrip(b"\x00") if number == 0 else kind
        at += 4 + size
    size = int.from_bytes(content[at : at + 4], "little")
    inner = content[at + 4 : at + 4 + size]
    if kind.lower() == b"package":
        yield from package(bytes(4) + inner)
    elif inner:
        yield held(("object",), inner)
