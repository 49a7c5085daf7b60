"""encode - text to header fields: encoded words (RFC 2047) and folding (RFC 5322 section 2.2.3). Pure; linear time.

For unstructured fields. What is not printable ASCII is encoded, so no text can end the field or start another one.
"""

from __future__ import annotations

import re

MAX_LINE_CHARS = 78
_MAX_WORD_CHARS = 75
# RFC 5322 section 2.1.1 ends a line at 998; a longer piece without blanks can only be folded as encoded words.
_MAX_PLAIN_CHARS = 900

_NEWLINES = re.compile(r"[\r\n]+[ \t]*")
_PIECE = re.compile(r"[ \t]*[^ \t]+")
_PLAIN = re.compile(r"[ \t]*[!-~]+")
_BEFORE, _AFTER = "=?utf-8?q?", "?="


def field(name: str, text: str, newline: bytes = b"\r\n") -> bytes:
    """The field *name* with the body *text*, folded, with its last line end. Line ends in *text* become blanks."""
    pieces = _PIECE.findall(_NEWLINES.sub(" ", text).strip(" \t"))
    foreign = [index for index, piece in enumerate(pieces) if not _is_plain(piece)]
    if foreign:
        first, last = foreign[0], foreign[-1] + 1
        # One run: blanks between two encoded words are not part of the text.
        pieces[first:last] = _words("".join(pieces[first:last]), leading=first > 0)
    lines, room = [f"{name}:"], MAX_LINE_CHARS - len(name) - 1
    for index, piece in enumerate(pieces):
        shown = piece if index else f" {piece.lstrip()}"
        if len(shown) > room and index:
            lines.append("")
            room = MAX_LINE_CHARS
        lines[-1] += shown
        room -= len(shown)
    if not pieces:
        lines[-1] += " "
    return b"".join(line.encode("ascii") + newline for line in lines)


def _is_plain(piece: str) -> bool:
    return len(piece) <= _MAX_PLAIN_CHARS and _PLAIN.fullmatch(piece) is not None


def _words(text: str, *, leading: bool) -> list[str]:
    """*text* as encoded words, each with a blank before it; leading: the first blank of *text* is that one."""
    room = _MAX_WORD_CHARS - len(_BEFORE) - len(_AFTER)
    words, current = [], ""
    for character in text[1:] if leading else text:
        encoded = _encoded(character)
        if len(current) + len(encoded) > room:
            words.append(current)
            current = ""
        current += encoded
    words.append(current)
    return [f" {_BEFORE}{word}{_AFTER}" for word in words]


def _encoded(character: str) -> str:
    if character == " ":
        return "_"
    if character.isascii() and (character.isalnum() or character in "!*+-/"):
        return character
    return "".join(f"={octet:02X}" for octet in character.encode("utf-8", "surrogateescape"))
