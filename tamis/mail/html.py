"""html - the words of an HTML document, for searching. Pure; linear time; never fails.

No rendering: a tag becomes a blank, comments go, scripts and styles go, character references are decoded.
"""

from __future__ import annotations

import html
import re

# What has no end goes to the end of the document.
_MARKUP = re.compile(
    r"<!--(?P<comment>.*?)(?:-->|\Z)"
    r"|<(?P<hidden>script|style)\b[^>]*+(?:>.*?(?:</(?P=hidden)\s*+>|\Z)|\Z)"
    r"|<[^\W\d_][^>]*+(?:>|\Z)"
    r"|<[/!?][^>]*+(?:>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_TAG = "\0"
_BLANK = " \t\r\n"
_TAGS = re.compile(r"\0[ \t\r\n\0]*")


def to_words(document: str) -> str:
    """The text of *document*."""
    return html.unescape(_TAGS.sub(_one_blank, _MARKUP.sub(_mark, document)))


def after_markup(document: str, start: int) -> int:
    """Where the tag, comment or hidden element at *start* ends; start + 1 if there is none."""
    match = _MARKUP.match(document, start)
    return match.end() if match else start + 1


def _mark(match: re.Match[str]) -> str:
    return _TAG if match["comment"] is None else ""


def _one_blank(match: re.Match[str]) -> str:
    """Tags among blanks add none; at the beginning they leave nothing."""
    start = match.start()
    alone = start > 0 and match.string[start - 1] not in _BLANK
    return match[0].replace(_TAG, "") or (" " if alone else "")
