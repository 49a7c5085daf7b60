"""convert - text of one media type as text of another, or in another charset. Pure; linear time.

HTML becomes its words, a line for each block; plain text becomes preformatted HTML. What has another type than text
cannot be converted.
"""

from __future__ import annotations

import base64
import html
import quopri
import re

from tamis.mail.html import to_words

HTML = ("text/html", "application/xhtml+xml")
PLAIN = "text/plain"
MAX_LINE_CHARS = 76

_BREAK = "\x01"
_BLOCK = re.compile(
    r"<(?:br|hr|/?(?:p|div|h[1-6]|ul|ol|li|dl|dt|dd|table|tr|pre|blockquote|section|article|header|footer))\b[^<>]*>",
    re.IGNORECASE,
)
_EMPTY_LINES = re.compile(r"\n{3,}")
_CHARSETS = re.compile(
    r"utf-8|us-ascii|iso-8859-(?:[1-9]|1[013456])|windows-125[0-8]|koi8-[ru]", re.IGNORECASE
)


class Unconvertible(Exception):  # the caller leaves the message as it was
    """There is no such conversion, or this text has none; the sentence says why."""


def converted(text: str, source: str, target: str) -> str:
    """*text*, of the type *source*, as one of the type *target*; both in lower case. Raises Unconvertible."""
    if source == target and source.startswith("text/"):
        return text
    if source in HTML and target == PLAIN:
        return html_to_text(text)
    if source == PLAIN and target == "text/html":
        return text_to_html(text)
    raise Unconvertible(f"no conversion from {source} to {target}")


def html_to_text(document: str) -> str:
    """The words of *document*; each block begins a line."""
    words = to_words(_BLOCK.sub(_BREAK, document.replace(_BREAK, " ")))
    lines = (line.strip(" ") for line in words.split(_BREAK))
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip("\n") + "\n"


def text_to_html(text: str) -> str:
    """*text* as it is, long lines wrapped by whoever shows it."""
    return (
        "<!DOCTYPE html>\n<html>\n<head><title></title></head>\n"
        f'<body><pre style="white-space: pre-wrap">\n{html.escape(text)}</pre></body>\n</html>\n'
    )


def entity(
    kind: str, text: str, newline: bytes, charset: str = "utf-8", unknown: str = "?"
) -> tuple[bytes, bytes]:
    """The fields Content-Type and Content-Transfer-Encoding, and the content. unknown: stands for each character that
    *charset* does not have. Raises Unconvertible."""
    if not _CHARSETS.fullmatch(charset):
        raise Unconvertible(f"no text can be written in the charset {charset!r}")
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    octets = _encoded(lines, charset.lower(), unknown)
    kind_field = (
        b"Content-Type: " + kind.encode("ascii") + b"; charset=" + charset.lower().encode("ascii") + newline
    )
    encoding, content = _transfer(octets)
    field = b"Content-Transfer-Encoding: " + encoding + newline
    return kind_field + field, content.replace(b"\n", newline)


def _encoded(text: str, charset: str, unknown: str) -> bytes:
    try:
        return text.encode(charset)
    except UnicodeEncodeError:
        pass
    try:
        unknown.encode(charset)
    except UnicodeEncodeError:
        raise Unconvertible(f"the replacement {unknown!r} is not in the charset {charset}") from None
    known = {c: _has(c, charset) for c in set(text)}
    return "".join(c if known[c] else unknown for c in text).encode(charset)


def _has(character: str, charset: str) -> bool:
    try:
        character.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def _transfer(octets: bytes) -> tuple[bytes, bytes]:
    """The encoding and the content in it, whose lines are short and can be no delimiter."""
    lines = octets.split(b"\n")
    short = all(len(line) <= MAX_LINE_CHARS and not line.startswith(b"--") for line in lines)
    if short and octets.isascii() and b"\0" not in octets:
        return b"7bit", octets
    readable = sum(32 <= octet < 127 or octet == 10 for octet in octets)
    if readable * 6 < len(octets) * 5:
        return b"base64", base64.encodebytes(octets.replace(b"\n", b"\r\n"))
    encoded = quopri.encodestring(octets)
    return b"quoted-printable", re.sub(rb"(?m)^--", b"=2D-", encoded)
