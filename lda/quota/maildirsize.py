"""maildirsize - the file in which Maildir++ programs keep the sum of a user's mail: its text and its rules. Pure.

First line: the limits (``1000000S,1000C``); each further one a sum or a change: ``bytes messages``. The rules of
Maildir++ (Courier), as Dovecot 2.3 keeps them: anybody appends a line after a delivery; the file is counted anew when
it is missing, has 5120 bytes or more, cannot be read, or was made for other limits; and before it makes anybody refuse
mail, unless it was counted just now (one line, less than 15 minutes old).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lda.quota.rules import Limit, Usage

NAME = "maildirsize"
MAX_BYTES = 5120
FRESH_S = 15 * 60
_LIMIT = re.compile(rb"([0-9]{1,18})([SC])")
_LINE = re.compile(rb" *(-?[0-9]{1,18}) +(-?[0-9]{1,18}) *")


@dataclass(frozen=True, slots=True)
class Sum:
    """What a file says. lines: sums and changes."""

    limit: Limit
    usage: Usage
    lines: int


def read(raw: bytes) -> Sum | None:
    """None: it has to be counted anew. A last line without its end is somebody's who is still writing."""
    lines = raw[: raw.rfind(b"\n") + 1].splitlines()
    limit = _limit(lines[0]) if lines else None
    if len(raw) >= MAX_BYTES or limit is None:
        return None
    usage = Usage()
    for line in lines[1:]:
        match = _LINE.fullmatch(line)
        if not match:
            return None
        usage = usage.plus(Usage(int(match[1]), int(match[2])))
    if usage.bytes < 0 or usage.messages < 0 or len(lines) < 2:
        return None
    return Sum(limit, usage, len(lines) - 1)


def is_stale(found: Sum, limit: Limit, age_s: float) -> bool:
    """Whether *found* has to be counted anew before it makes us refuse mail; *age_s*: since it was written."""
    return found.limit != limit or found.lines > 1 or not 0 <= age_s < FRESH_S


def write(limit: Limit, usage: Usage) -> bytes:
    """The file, counted anew."""
    limits = [b"%dS" % limit.bytes] if limit.bytes else []
    limits += [b"%dC" % limit.messages] if limit.messages else []
    return b",".join(limits) + b"\n" + line(usage)


def line(change: Usage) -> bytes:
    """To be appended."""
    return b"%d %d\n" % (change.bytes, change.messages)


def _limit(text: bytes) -> Limit | None:
    amounts = {b"S": 0, b"C": 0}
    for word in text.split(b",") if text else ():
        match = _LIMIT.fullmatch(word.strip())
        if not match:
            return None
        amounts[match[2]] = int(match[1])
    return Limit(amounts[b"S"], amounts[b"C"])
