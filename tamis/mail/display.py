"""display - what readers may show of a From field: the name, and addresses and domains in it. Pure; linear time.

Lenient on purpose, as mail readers are; `tamis.auth.from_header` is the strict one.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from tamis.mail.address import parse_list
from tamis.mail.headers import Headers, unfold
from tamis.mail.words import decode_words

MAX_FIELDS = 5
MAX_FIELD_BYTES = 16 << 10
MAX_FOUND = 20

_ANGLE = re.compile(rb"<[^<>]*>")
_ADDRESS = re.compile(r"[\w.+!#$%&'*/=?^`{|}~-]{1,64}@(?:[\w-]{1,63}\.){1,10}[\w-]{1,63}")
_DOMAIN = re.compile(r"(?<![\w.@-])(?:[\w-]{1,63}\.){1,10}[^\W\d_][\w-]{1,62}")


@dataclass(frozen=True, slots=True)
class Shown:
    """fields: how many From fields there are. name: all that stands beside the addresses, decoded. addresses: those of
    the mailboxes, in small letters. named, domains: addresses and domains in the name. whole: all was looked at."""

    fields: int
    name: str
    addresses: tuple[str, ...]
    named: tuple[str, ...]
    domains: tuple[str, ...]
    whole: bool


def shown(headers: Headers) -> Shown:
    """Of all From fields together, of each the first `MAX_FIELD_BYTES`."""
    found = headers.all("from")
    names: list[str] = []
    addresses: dict[str, None] = {}
    for one in found[:MAX_FIELDS]:
        raw = unfold(one.value[:MAX_FIELD_BYTES])
        mailboxes = parse_list(raw.decode("utf-8", "replace")).mailboxes[:MAX_FOUND]
        addresses |= dict.fromkeys(f"{box.local}@{box.domain}".lower() for box in mailboxes)
        names.append(_beside(raw, addresses))
    name = unicodedata.normalize("NFKC", " ".join(names)).strip()
    return Shown(
        len(found),
        name,
        tuple(addresses),
        tuple(dict.fromkeys(match[0].lower() for match in _first(_ADDRESS, name))),
        tuple(dict.fromkeys(match[0].lower().rstrip(".") for match in _first(_DOMAIN, name))),
        whole=len(found) <= MAX_FIELDS and all(len(one.value) <= MAX_FIELD_BYTES for one in found),
    )


def _beside(raw: bytes, addresses: dict[str, None]) -> str:
    """*raw*, decoded, without the last address in angle brackets, or without the plain addresses where there is none.

    Brackets inside of encoded words are text, and are left."""
    angles = list(_ANGLE.finditer(raw))
    if angles:
        return decode_words(raw[: angles[-1].start()] + b" " + raw[angles[-1].end() :])
    text = decode_words(raw)
    for address in addresses:
        text = re.sub(re.escape(address), " ", text, count=1, flags=re.IGNORECASE)
    return text


def _first(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    return [match for match, _ in zip(pattern.finditer(text), range(MAX_FOUND), strict=False)]
