"""paths - the arguments of MAIL and RCPT: ``<address>`` and its parameters (RFC 5321 section 4.1.2). Pure.

Addresses come out as Postfix keeps them inside: local parts unquoted, source routes dropped, text decoded
as UTF-8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PATH = re.compile(rb'[ \t]*<((?:"(?:[^"\\]|\\.)*"|[^<>"\\])*)>((?:[ \t].*)?)', re.DOTALL)
_ROUTE = re.compile(r"@[^:]*:")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"(@.*)?')
_ESCAPED = re.compile(r"\\(.)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Path:
    """An address ("" is the null sender's) and its parameters, names in capitals, "" without a value."""

    address: str
    parameters: tuple[tuple[str, str], ...] = ()


def parse(argument: bytes) -> Path:
    """Raises ValueError with a sentence for the peer."""
    match = _PATH.fullmatch(argument)
    if match is None:
        raise ValueError("the address must stand in angle brackets")
    return Path(_address(match[1]), tuple(_parameter(word) for word in match[2].split()))


def _address(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("the address is neither ASCII nor UTF-8") from None
    if _CONTROL.search(text):
        raise ValueError("control characters in the address")
    if text.startswith("@"):
        text = _ROUTE.sub("", text, count=1)
    if quoted := _QUOTED.fullmatch(text):
        return _ESCAPED.sub(r"\1", quoted[1]) + (quoted[2] or "")
    return text


def _parameter(word: bytes) -> tuple[str, str]:
    name, _, value = word.decode("utf-8", "replace").partition("=")
    return name.upper(), value


def complaint(path: Path, max_message_bytes: int) -> str:
    """The reply that refuses MAIL for one of its parameters, "" if all are fine. A limit of 0 is none."""
    for name, value in path.parameters:
        if name == "SIZE" and not (value.isascii() and value.isdigit() and len(value) <= 20):
            return "501 5.5.4 SIZE needs a number"  # RFC 1870 section 6: at most 20 digits
        if name == "SIZE" and 0 < max_message_bytes < int(value):
            return "552 5.3.4 The message is larger than the limit here"
        if name == "BODY" and value.upper() not in {"7BIT", "8BITMIME"}:
            return "501 5.5.4 Unknown BODY"
        if name not in {"SIZE", "BODY", "SMTPUTF8"} or (name == "SMTPUTF8" and value):
            return "555 5.5.4 Unknown parameter of MAIL"
    return ""
