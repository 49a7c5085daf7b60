"""encoded-character (RFC 5228 section 2.4.2.4): ``${hex:...}`` and ``${unicode:...}`` in strings.

Decoded once when the script is read, before variables are looked for; nothing that decoding yields is read again.
"""

from __future__ import annotations

import re

from lda.sieve.language import Complaint, Extension

_HEX = r"[ \t\r\n]*[0-9A-Fa-f]{1,2}(?:[ \t\r\n]+[0-9A-Fa-f]{1,2})*[ \t\r\n]*"
_UNICODE = r"[ \t\r\n]*[0-9A-Fa-f]+(?:[ \t\r\n]+[0-9A-Fa-f]+)*[ \t\r\n]*"
_ENCODED = re.compile(rf"\$\{{(?:hex:({_HEX})|unicode:({_UNICODE}))\}}", re.IGNORECASE)


class _Invalid(Exception):  # never leaves this file
    """A number that is no character."""


def decode(text: str) -> str | Complaint:
    """*text* with its encoded characters in place."""
    try:
        decoded = _ENCODED.sub(_replace, text)
    except _Invalid as invalid:
        return Complaint(f"invalid unicode character '{invalid}' in encoded character substitution")
    # Octets may have come together to characters.
    return decoded.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _replace(match: re.Match[str]) -> str:
    if match[1] is not None:
        octets = bytes(int(pair, 16) for pair in match[1].split())
        return octets.decode("utf-8", "surrogateescape")
    return "".join(_character(number) for number in match[2].split())


def _character(digits: str) -> str:
    value = int(digits, 16) if len(digits.lstrip("0")) <= 6 else 0x110000
    if value > 0x10FFFF or 0xD800 <= value <= 0xDFFF:
        raise _Invalid(digits[:20])
    return chr(value)


EXTENSION = Extension(capability="encoded-character", decode=decode, grammar=True)
