"""authres_read - what an Authentication-Results field of somebody else says (RFC 8601). Pure; linear.

Whoever believes it must trust the writer: nothing is verified here. What stands in comments and quotes is no result,
and a field with an open quote or comment says nothing at all.
"""

from __future__ import annotations

import re

from tamis.mail.authres import MethodResult, Property
from tamis.mail.comments import after_comment

MAX_BYTES = 16 << 10
NO_RESULT = '"'  # stands for what cannot be part of one

_TOKEN = re.compile(
    r'\s+|(?P<quoted>"(?:[^"\\]|\\.)*+")|(?P<special>[(;])|(?P<text>[^\s"();\\]+)|(?P<odd>\\.|\))', re.DOTALL
)
_METHOD = re.compile(r"([A-Za-z0-9_-]+)(?:/[0-9]+)?=([A-Za-z]+)")
_PROPERTY = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)=(.*)", re.DOTALL)


def read(value: bytes) -> tuple[MethodResult, ...]:
    """The results of a field's *value*, methods and results in lower case, without reasons."""
    results = []
    for words in _segments(value)[1:] if len(value) <= MAX_BYTES else ():
        method = _METHOD.fullmatch(words[0]) if words else None
        if method is None:
            continue
        found = (_PROPERTY.fullmatch(word) for word in words[1:])
        properties = tuple(Property(m[1].lower(), m[2].lower(), m[3]) for m in found if m)
        results.append(MethodResult(method[1].lower(), method[2].lower(), properties=properties))
    return tuple(results)


def _segments(value: bytes) -> list[list[str]]:
    """What stands between semicolons, as words without comments; a quoted string belongs to the word before it."""
    text = value.decode("utf-8", "replace")
    segments: list[list[str]] = [[]]
    position, glued = 0, False
    while position >= 0 and (match := _TOKEN.match(text, position)):
        position = match.end()
        if match["special"] == "(":
            position = after_comment(text, match.start())
        elif match["special"]:
            segments.append([])
        elif match["quoted"]:
            _quoted(segments[-1], match["quoted"], glued)
        elif match["text"] or match["odd"]:
            segments[-1].append(match["text"] or NO_RESULT)
        glued = bool(match["text"])
    return segments if position == len(text) else []


def _quoted(words: list[str], quoted: str, glued: bool) -> None:
    text = re.sub(r"\\(.)", r"\1", quoted[1:-1], flags=re.DOTALL)
    if glued and words[-1].endswith("="):
        words[-1] += text
    else:
        words.append(NO_RESULT)
