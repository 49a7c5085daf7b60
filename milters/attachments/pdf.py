"""pdf - whether a PDF file acts by itself: JavaScript, programs, attached files (ISO 32000). Pure; bounded.

Not a parser: words are looked for in the objects and in the streams that hold objects. A file that is encrypted keeps
its words readable, for only strings and streams are.
"""

from __future__ import annotations

import re

from milters.attachments import squeezed
from milters.attachments.limits import Budget, Damaged

MAX_STREAM_BYTES = 4 << 20

_ACTIVE = re.compile(rb"/(?:JavaScript|JS|Launch|EmbeddedFiles?|RichMedia|XFA)(?![A-Za-z0-9])")
_HEX = re.compile(rb"#([0-9A-Fa-f]{2})")
_OBJECTS = re.compile(rb"/ObjStm(?![A-Za-z0-9])")
_STREAM = re.compile(rb"stream\r?\n")


def is_active(data: bytes, budget: Budget) -> bool:
    """Raises Limit."""
    if _ACTIVE.search(_plain(data)):
        return True
    for match in _STREAM.finditer(data):
        budget.tick()
        if not _OBJECTS.search(_plain(data[max(0, match.start() - 500) : match.start()])):
            continue
        packed = memoryview(data)[match.end() :]
        try:
            objects = squeezed.unpack(squeezed.zlibbed, packed, MAX_STREAM_BYTES, budget)
        except Damaged:
            continue
        if _ACTIVE.search(_plain(objects)):
            return True
    return False


def _plain(octets: bytes) -> bytes:
    """Names without their hexadecimal disguise."""
    return _HEX.sub(lambda match: bytes([int(match[1], 16)]), octets) if b"#" in octets else octets
