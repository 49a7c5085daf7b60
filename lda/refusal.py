"""refusal - the reason of a reject or ereject as the text of a reply (RFC 5429 section 2.1). Pure.

What is not ASCII travels only where the client speaks SMTPUTF8 (RFC 6531 section 3.7.4.2); else letters lose their
marks, and a text of which too little would be left gives way to one of ours, as section 2.1.2 demands.
"""

from __future__ import annotations

import re
import unicodedata

MAX_LINES = 30
MAX_LINE_BYTES = 400
GENERIC = "The recipient does not accept this message"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_NEWLINE = re.compile(r"\r\n|\r|\n")


def reply_text(reason: str, *, utf8: bool) -> str:
    """Lines of at most MAX_LINE_BYTES, joined by ``\\n``; what is too much is cut. utf8: the peer takes UTF-8."""
    text = reason if utf8 or reason.isascii() else _ascii(reason)
    lines = [_CONTROL.sub(" ", line).strip() for line in _NEWLINE.split(text.strip())]
    pieces = [piece for line in lines for piece in _pieces(line)]
    if len(pieces) > MAX_LINES:
        pieces = [*pieces[: MAX_LINES - 1], "..."]
    return "\n".join(pieces) if any(pieces) else GENERIC


def _ascii(text: str) -> str:
    """*text* without marks; ours where a third of it cannot be written so."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    lost = sum(not character.isascii() for character in plain)
    return GENERIC if 3 * lost > len(plain) else plain.encode("ascii", "replace").decode("ascii")


def _pieces(line: str) -> list[str]:
    """*line*, broken at blanks where it is too long."""
    pieces = [""]
    for word in line.split(" "):
        room = MAX_LINE_BYTES - len(pieces[-1].encode("utf-8")) - 1
        if len(word.encode("utf-8")) <= room:
            pieces[-1] = f"{pieces[-1]} {word}" if pieces[-1] else word
        else:
            pieces += _chunks(word)
    return pieces[1:] if len(pieces) > 1 and not pieces[0] else pieces


def _chunks(word: str) -> list[str]:
    """A word longer than a line, in characters of at most four bytes."""
    step = MAX_LINE_BYTES if word.isascii() else MAX_LINE_BYTES // 4
    return [word[start : start + step] for start in range(0, len(word), step)]
