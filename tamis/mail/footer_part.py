"""footer_part - a text put into one text part of a message: its place, its charset, its transfer encoding. Pure.

What the part said before stays, octet for octet, below its transfer encoding; the charset changes only where the new
text cannot be written in the old one.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from tamis.mail import mime
from tamis.mail.charset import to_octets, to_text
from tamis.mail.mime import Part, Raw, transfer_encoding

CRLF = b"\r\n"

# Comments, elements whose content is no markup, and tags. What has no end goes to the end of the document.
_MARKUP = re.compile(
    r"<!--.*?(?P<comment_end>-->|\Z)"
    r"|<(?P<raw>script|style|title|textarea)\b[^>]*+(?:>.*?(?P<raw_end></(?P=raw)\s*+>|\Z)|\Z)"
    r"|<(?P<slash>/?)(?P<name>html|head|body)\b[^>]*+(?P<tag_end>>|\Z)"
    r"|<[a-z/!?][^>]*+(?P<other_end>>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
# Octets of these are no ASCII among others, or depend on those before them.
_WIDE = re.compile(r"(?:utf-?(?:16|32|7)|hz|iso-2022-kr).*", re.IGNORECASE)
_ARMOR = re.compile(rb"(?m)^-----BEGIN PGP ")
_STUFFED = re.compile(r"(?m)^(?= |>|From )")


class Unsuited(Exception):  # the caller leaves the message as it was
    """A text cannot be put in; a word says why."""


@dataclass(frozen=True, slots=True)
class Addition:
    """What is put in: *text* into plain text, *html*, a fragment, into HTML; lines end in LF, the last one has none.

    at_top: before what is there, not behind it."""

    text: str
    html: str
    at_top: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """The new content, as encoded; charset and encoding are "" where they are as they were."""

    content: bytes
    charset: str = ""
    encoding: str = ""


def changed(raw: Raw, part: Part, addition: Addition) -> Changed:
    """*part* with *addition*. Raises Unsuited: sealed, twice, encoding, charset."""
    data = mime.content(raw, part)
    if data is None:
        raise Unsuited("encoding")
    if _ARMOR.search(data):
        raise Unsuited("sealed")
    is_html = part.content_type.sub == "html"
    data, piece, charset = _in_one_charset(data, part, _piece(addition, part))
    newline = b"\n" if b"\n" in data and CRLF not in data else CRLF
    piece = piece.replace(b"\n", newline)
    data = (_into_html if is_html else _into_text)(data, piece, newline, addition.at_top)
    encoding = transfer_encoding(part.headers)
    if encoding == "base64":
        return Changed(_lines(base64.encodebytes(data)), charset)
    if encoding == "quoted-printable":
        return Changed(quoted_printable(data), charset)
    if encoding in ("", "7bit") and not piece.isascii():
        return Changed(quoted_printable(data), charset, "quoted-printable")
    return Changed(data, charset)


def _piece(addition: Addition, part: Part) -> str:
    if part.content_type.sub == "html":
        return addition.html.encode("ascii", "xmlcharrefreplace").decode("ascii")
    if part.content_type.parameters.get("format", "").lower() != "flowed":
        return addition.text
    lines = (line if line == "-- " else line.rstrip(" ") for line in addition.text.split("\n"))
    return _STUFFED.sub(" ", "\n".join(lines))  # RFC 3676 section 4.4


def _in_one_charset(data: bytes, part: Part, piece: str) -> tuple[bytes, bytes, str]:
    """Both as octets; the charset of both where it is another one than before."""
    charset = part.content_type.parameters.get("charset", "") or "us-ascii"
    if not _WIDE.fullmatch(charset):
        octets = piece.encode("ascii") if piece.isascii() else to_octets(piece, charset)
        if octets is not None:
            return data, octets, ""
        if data.isascii() and b"\x1b" not in data:  # ISO 2022 is ASCII to look at
            return data, piece.encode("utf-8"), "utf-8"
    text = to_text(data, charset)
    if "\ufffd" not in text:
        return text.encode("utf-8"), piece.encode("utf-8"), "utf-8"
    if _WIDE.fullmatch(charset):
        raise Unsuited("charset")
    return data, piece.encode("ascii", "replace"), ""


def _into_text(data: bytes, piece: bytes, newline: bytes, at_top: bool) -> bytes:
    if at_top:
        if data.startswith(piece):
            raise Unsuited("twice")
        return piece + newline * 2 + data
    if data.rstrip().endswith(piece.strip()):
        raise Unsuited("twice")
    gap = newline if data.endswith(b"\n") else newline * 2
    return (data + gap if data else b"") + piece + newline


def _into_html(data: bytes, piece: bytes, newline: bytes, at_top: bool) -> bytes:
    at = _place(data.decode("latin-1"), at_top)
    before, behind = data[:at], data[at:]
    if behind.lstrip().startswith(piece) if at_top else before.rstrip().endswith(piece):
        raise Unsuited("twice")
    return before + newline + piece + newline + behind


def _place(document: str, at_top: bool) -> int:
    """Where a fragment goes: behind the tag that opens the body, or before the one that closes it; never into a comment
    or a script."""
    opened, end = 0, len(document)
    closed: dict[str, int] = {}
    for match in _MARKUP.finditer(document):
        if not any(match.group("comment_end", "raw_end", "tag_end", "other_end")):
            end = match.start()  # it would swallow what is behind it
        name = (match["name"] or "").lower()
        if match["slash"]:
            closed[name] = match.start()
        if name and bool(match["slash"]) == (name == "head"):
            opened = match.end()
    return opened if at_top else closed.get("body", closed.get("html", end))


def quoted_printable(data: bytes) -> bytes:
    """*data* in RFC 2045's quoted-printable, so that it is decoded to the very same octets."""
    lines = (binascii.b2a_qp(line, istext=False).replace(b"=\n", b"=\r\n") for line in data.split(CRLF))
    return CRLF.join(lines)


def _lines(text: bytes) -> bytes:
    return text.replace(b"\n", CRLF)
