"""parameters - the values of MIME parameters with their charsets and continuations (RFC 2231). Pure; never fails.

Encoded words, which RFC 2047 section 5 forbids there and mailers write, are decoded too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from tamis.mail.charset import to_text
from tamis.mail.words import decode_words

MAX_SECTIONS = 1000

_NAME = re.compile(r"([^*]+)(?:\*([0-9]{1,3}))?(\*)?")


def decoded(raw: Mapping[str, str]) -> dict[str, str]:
    """Parameters as `tamis.mail.mime.parameters_of` reads them, as text by their plain names. ``name*`` goes before
    ``name*0``, ``name*1``... and both before a plain ``name``."""
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, value in raw.items():
        match = _NAME.fullmatch(name)
        if match is None or (match[2] is None and match[3] is None):
            plain[name] = decode_words(value.encode("utf-8", "surrogateescape"))
        elif match[2] is None:
            extended[match[1]] = _text([(value, True)])
        else:
            sections.setdefault(match[1], {})[int(match[2])] = (value, match[3] is not None)
    continued = {name: _text(_in_order(pieces)) for name, pieces in sections.items() if 0 in pieces}
    return {**plain, **continued, **extended}


def _in_order(pieces: Mapping[int, tuple[str, bool]]) -> list[tuple[str, bool]]:
    """The sections from 0 up to the first that is missing."""
    found: list[tuple[str, bool]] = []
    while len(found) < MAX_SECTIONS and len(found) in pieces:
        found.append(pieces[len(found)])
    return found


def _text(pieces: list[tuple[str, bool]]) -> str:
    """The pieces, of which those marked True have percent signs; the first of them begins with the charset."""
    charset, octets = "utf-8", b""
    for index, (value, encoded) in enumerate(pieces):
        if index == 0 and encoded and value.count("'") >= 2:
            charset, _, value = value.split("'", 2)  # noqa: PLW2901  # the rest of the section is its value
        octet = value.encode("utf-8", "surrogateescape")
        octets += unquote_to_bytes(octet) if encoded else octet
    return to_text(octets, charset or "utf-8")
