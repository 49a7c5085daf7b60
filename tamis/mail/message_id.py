"""message_id - the Message-ID of a message (RFC 5322 section 3.6.4) as logs, journal and admins name it. Pure."""

from __future__ import annotations

import re

from tamis.mail.headers import Headers

MAX_CHARS = 250  # a longer one is cut: nobody looks for it by typing it

_ID = re.compile(rb"<[^<>\s\x00-\x1f\x7f]{1,%d}>" % (MAX_CHARS - 2))
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd]")


def message_id_of(headers: Headers) -> str:
    """``<...>`` of the topmost field; what stands there instead where it is malformed; "" without one.

    Of at most `MAX_CHARS` characters, and none of them a control."""
    value = headers.first("Message-ID")[: 4 * MAX_CHARS]
    found = _ID.search(value)
    return _UNPRINTABLE.sub("?", (found[0] if found else value).decode("utf-8", "replace"))[:MAX_CHARS]


def same(one: str, other: str) -> bool:
    """Whether both name one message; brackets and blanks around them do not count."""
    return one.strip("<> \t") == other.strip("<> \t")
