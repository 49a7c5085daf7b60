"""html - the words of an HTML document, for searching. Pure; linear time; never fails.

No rendering: a tag becomes a blank, comments go, scripts and styles go, character references are decoded.
"""

from __future__ import annotations

import html
import re

_HIDDEN = re.compile(r"<(script|style)\b", re.IGNORECASE)
_TAG = "\0"
_BLANKS = re.compile(r"[ \t\r\n\0]+")


def to_words(document: str) -> str:
    """The text of *document*."""
    pieces: list[str] = []
    position = 0
    while position < len(document):
        start = document.find("<", position)
        end = len(document) if start < 0 else start
        if end > position:
            pieces.append(document[position:end])
        if start < 0:
            break
        position = _after_markup(document, start)
        if position == start + 1:
            pieces.append("<")
        elif not document.startswith("<!--", start):
            pieces.append(_TAG)
    return html.unescape(_BLANKS.sub(_one_blank, "".join(pieces)))


def _one_blank(match: re.Match[str]) -> str:
    """Tags among blanks add none; at the beginning they leave nothing."""
    kept = match[0].replace(_TAG, "")
    return kept or (" " if match.start() else "")


def _after_markup(document: str, start: int) -> int:
    """Where the tag, comment or hidden element at *start* ends; start + 1 if there is none."""
    if document.startswith("<!--", start):
        return _past(document, "-->", start + 4)
    following = document[start + 1 : start + 2]
    if not (following.isalpha() or following in ("/", "!", "?")):
        return start + 1
    hidden = _HIDDEN.match(document, start)
    end = _past(document, ">", start + 1)
    if hidden is None:
        return end
    closing = re.compile(rf"</{hidden[1]}\s*>", re.IGNORECASE).search(document, end)
    return len(document) if closing is None else closing.end()


def _past(document: str, mark: str, position: int) -> int:
    found = document.find(mark, position)
    return len(document) if found < 0 else found + len(mark)
