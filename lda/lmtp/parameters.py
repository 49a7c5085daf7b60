"""parameters - what stands behind BDAT (RFC 3030) and XCLIENT (Postfix's XCLIENT_README). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address

from lda.lmtp.paths import decoded

_DIGITS = re.compile(r"[0-9]{1,20}")
_UNKNOWN = {"", "[UNAVAILABLE]", "[TEMPUNAVAIL]"}


def of_bdat(argument: bytes) -> tuple[int, bool]:
    """Size of the chunk in bytes, and whether it is the last. Raises ValueError."""
    size, _, last = argument.decode("ascii", "replace").partition(" ")
    if not _DIGITS.fullmatch(size) or last.strip().upper() not in {"", "LAST"}:
        raise ValueError("BDAT needs a size, and perhaps LAST")
    return int(size), bool(last.strip())


def of_xclient(argument: bytes) -> Mapping[str, str]:
    """What XCLIENT tells, by names in capitals; what the peer does not know is left out. Raises ValueError."""
    told = {}
    if not argument.strip():
        raise ValueError("XCLIENT needs NAME=value")
    for word in argument.decode("utf-8", "replace").split():
        name, equals, value = word.upper().partition("=")
        if not equals:
            raise ValueError("XCLIENT needs NAME=value")
        text = decoded(word[len(name) + 1 :])
        if value not in _UNKNOWN:
            told[name] = str(ip_address(text.upper().removeprefix("IPV6:"))) if name == "ADDR" else text
    return told
