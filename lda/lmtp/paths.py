"""paths - the arguments of MAIL and RCPT: ``<address>`` and its parameters (RFC 5321 section 4.1.2). Pure.

Addresses come out as Postfix keeps them inside: local parts unquoted, source routes dropped, text decoded
as UTF-8. The parameters are those of SIZE, 8BITMIME, SMTPUTF8, DSN (RFC 3461) and DELIVERBY (RFC 2852).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from lda.sieve.terms import RETURNS, ByMode, Terms, notify_of

Parameters = tuple[tuple[str, str], ...]

MAX_ENVID_CHARS = 100  # RFC 3461 section 4.4
MAX_ORCPT_CHARS = 500  # section 4.2
_PATH = re.compile(rb'[ \t]*<((?:"(?:[^"\\]|\\.)*"|[^<>"\\])*)>((?:[ \t].*)?)', re.DOTALL)
_ROUTE = re.compile(r"@[^:]*:")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"(@.*)?')
_ESCAPED = re.compile(r"\\(.)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_HEX = re.compile(r"\+([0-9A-F]{2})")
_UNICODE = re.compile(r"\\x\{([0-9A-F]{2,6})\}")  # RFC 6533 section 3
_ORCPT = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]{0,38});(.+)", re.DOTALL)
_BY = re.compile(r"([+-]?[0-9]{1,9});([NR])(T?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Path:
    """An address ("" is the null sender's) and its parameters, names in capitals, "" without a value."""

    address: str
    parameters: Parameters = ()


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
    return _unquoted(text)


def _unquoted(text: str) -> str:
    if quoted := _QUOTED.fullmatch(text):
        return _ESCAPED.sub(r"\1", quoted[1]) + (quoted[2] or "")
    return text


def _parameter(word: bytes) -> tuple[str, str]:
    name, _, value = word.decode("utf-8", "replace").partition("=")
    return name.upper(), value


def complaint(path: Path, max_message_bytes: int) -> str:
    """The reply that refuses MAIL for one of its parameters, "" if all are fine. A limit of 0 is none."""
    for name, value in path.parameters:
        if name == "SIZE" and _is_size(value) and 0 < max_message_bytes < int(value):
            return "552 5.3.4 The message is larger than the limit here"
        check, sentence = _MAIL.get(name, (_never, ""))
        if not check(value):
            return f"501 5.5.4 {sentence}" if sentence else "555 5.5.4 Unknown parameter of MAIL"
    return ""


def _is_size(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= 20  # RFC 1870 section 6: at most 20 digits


def _is_envid(value: str) -> bool:
    return len(value) <= MAX_ENVID_CHARS and bool(decoded(value))


def _can_meet(value: str) -> bool:
    """A message that is to be returned after its time must have some left (RFC 2852 section 4)."""
    match = _BY.fullmatch(value)
    return match is not None and (match[2].upper() == "N" or int(match[1]) > 0)


def _never(value: str) -> bool:
    return False


_MAIL: dict[str, tuple[Callable[[str], bool], str]] = {
    "SIZE": (_is_size, "SIZE needs a number"),
    "BODY": (lambda value: value.upper() in {"7BIT", "8BITMIME"}, "Unknown BODY"),
    "SMTPUTF8": (lambda value: not value, ""),
    "RET": (lambda value: value.upper() in RETURNS, "RET is FULL or HDRS"),
    "ENVID": (_is_envid, "ENVID needs an identifier"),
    "BY": (_can_meet, "BY needs a time and a mode"),
}


def recipient_complaint(path: Path) -> str:
    """The reply that refuses RCPT for one of its parameters, "" if all are fine."""
    for name, value in path.parameters:
        if name == "NOTIFY" and notify_of(value) is None:
            return "501 5.5.4 NOTIFY is NEVER, or some of SUCCESS, FAILURE, DELAY"
        if name == "ORCPT" and not original(value):
            return "501 5.5.4 ORCPT needs a type and an address"
        if name not in {"NOTIFY", "ORCPT"}:
            return "555 5.5.4 Unknown parameter of RCPT"
    return ""


def decoded(value: str) -> str:
    """What the xtext *value* stands for (RFC 3461 section 4); "" if it stands for nothing that can be read."""
    if not _XTEXT.fullmatch(value):
        return ""
    octets = _HEX.sub(lambda match: chr(int(match[1], 16)), value).encode("latin-1")
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return "" if _CONTROL.search(text) else text


def original(value: str) -> str:
    """An ORCPT parameter as ``type;address``, decoded; "" if it is none."""
    match = _ORCPT.fullmatch(value) if len(value) <= MAX_ORCPT_CHARS else None
    if match is None:
        return ""
    kind, address = match[1].lower(), match[2]
    if kind == "utf-8":
        text = _UNICODE.sub(_character, address)
        return "" if _CONTROL.search(text) else f"{kind};{text}"
    address = decoded(address)
    return f"{kind};{address}" if address else ""


def _character(match: re.Match[str]) -> str:
    point = int(match[1], 16)
    return chr(point) if point < 0x110000 and not 0xD800 <= point < 0xE000 else "\ufffd"


def address_of(orcpt: str) -> str:
    """The mail address in an ORCPT as `original` gives it, unquoted; "" if it is none."""
    kind, _, address = orcpt.partition(";")
    return _unquoted(address) if kind in {"rfc822", "utf-8"} and "@" in address else ""


def terms(mail: Parameters, rcpt: Parameters, now: datetime) -> Terms:
    """What the sender asks for; the parameters have no complaints. now: when MAIL came, aware."""
    of_mail, of_rcpt = dict(mail), dict(rcpt)
    by = _BY.fullmatch(of_mail.get("BY", ""))
    mode: ByMode = "" if by is None else "R" if by[2].upper() == "R" else "N"
    return Terms(
        notify=notify_of(of_rcpt["NOTIFY"]) or () if "NOTIFY" in of_rcpt else (),
        ret=of_mail.get("RET", "").upper(),
        envid=decoded(of_mail.get("ENVID", "")),
        orcpt=original(of_rcpt.get("ORCPT", "")),
        deadline=None if by is None else now + timedelta(seconds=int(by[1])),
        by_mode=mode,
        by_trace=by is not None and bool(by[3]),
    )
