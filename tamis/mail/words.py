"""words - encoded words in header fields to text (RFC 2047). Pure; linear time; never fails.

Lenient as mail readers are: an encoded word counts wherever it stands, may hold spaces, and may have lost its
base64 padding. Octets outside of encoded words are read as UTF-8 (RFC 6532). What cannot be decoded is U+FFFD.
"""

from __future__ import annotations

import binascii
import re

from tamis.mail.charset import to_text

# charset[*language]?encoding?text
_WORD = re.compile(rb"=\?([!-)+->@-~]{1,60})(?:\*[!->@-~]{0,60})?\?([BbQq])\?([^?\r\n]*)\?=")
_BETWEEN = re.compile(rb"[ \t\r\n]*")
_FOLD = re.compile(rb"\r?\n[ \t]?|\r")
_Q_OCTET = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/].*", re.DOTALL)


def unfold(value: bytes) -> bytes:
    """*value* on one line: a line end and the blank after it become one space, at the edges nothing."""
    if b"\n" not in value and b"\r" not in value:
        return value.strip(b" \t")
    return _FOLD.sub(b" ", value).strip(b" \t")


def decode_words(value: bytes) -> str:
    """The text of an unfolded field body."""
    if b"=?" not in value:
        return value.decode("utf-8", "replace")
    text: list[str] = []
    position = 0
    pending, charset = b"", ""
    for match in _WORD.finditer(value):
        gap = value[position : match.start()]
        name = match[1].decode("ascii").lower()
        if charset and (not _BETWEEN.fullmatch(gap) or name != charset):
            text.append(to_text(pending, charset))
            pending = b""
        if not (charset and _BETWEEN.fullmatch(gap)):
            text.append(gap.decode("utf-8", "replace"))
        # Words of one charset are joined before decoding: senders cut characters in two.
        pending += _octets(match[2], match[3])
        charset, position = name, match.end()
    if charset:
        text.append(to_text(pending, charset))
    text.append(value[position:].decode("utf-8", "replace"))
    return "".join(text)


def _octets(encoding: bytes, encoded: bytes) -> bytes:
    if encoding in b"Qq":
        return _Q_OCTET.sub(
            lambda match: bytes.fromhex(match[1].decode("ascii")), encoded.replace(b"_", b" ")
        )
    digits = _NOT_BASE64.sub(b"", encoded)
    usable = len(digits) - (len(digits) % 4 == 1)
    return binascii.a2b_base64(digits[:usable] + b"=" * (-usable % 4))
