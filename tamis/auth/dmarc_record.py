"""dmarc_record - policy records (RFC 9989 section 4.7; pct of RFC 7489). Pure; bounded.

Unknown tags, and known ones with values that are none, count as absent; so does a tag that stands twice, but for p,
sp and np, which are then not valid. A record whose policy is not valid asks for reports at best.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

MAX_RECORD_BYTES = 4096
MAX_URIS = 20
CACHED = 500  # of records: most mail comes from few domains

Policy = Literal["none", "quarantine", "reject"]
POLICIES: tuple[Policy, ...] = ("none", "quarantine", "reject")  # mildest first

_VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_URI = re.compile(r"(?:mailto:[^\s,!;]+@[^\s,!;]+|https?://[^\s,!;]+)(?:![0-9]+[kmgt]?)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcRecord:
    """A record at ``_dmarc.{domain}``. sp, np: as they apply, from p where they are absent; problem: why it asks for
    nothing. pct: of RFC 7489; RFC 9989 knows 100, and 0 for its own t=y."""

    domain: str
    text: str
    p: Policy = "none"
    sp: Policy = "none"
    np: Policy = "none"
    strict_dkim: bool = False
    strict_spf: bool = False
    psd: Literal["y", "n", "u"] = "u"
    testing: bool = False
    pct: int = 100
    rua: tuple[str, ...] = ()
    ruf: tuple[str, ...] = ()
    fo: tuple[str, ...] = ("0",)
    problem: str = ""


def is_record(text: bytes) -> bool:
    """Whether a TXT record claims to be one: ``v=DMARC1`` comes first, in capitals."""
    return _VERSION.match(text[:64].decode("latin-1")) is not None


@lru_cache(maxsize=CACHED)
def parse(domain: str, raw: bytes) -> DmarcRecord:
    """A TXT record for which `is_record` holds."""
    text = raw[:MAX_RECORD_BYTES].decode("ascii", "replace")
    tags, repeated = _tags(text)
    rua = _uris(tags.get("rua", ""))
    policies = [tags.get(name, "").lower() for name in ("p", "sp", "np")]
    wrong = [
        name
        for name, value in zip(("p", "sp", "np"), policies, strict=True)
        if name in repeated or (value not in POLICIES and (name == "p" or name in tags))
    ]
    if wrong:
        policies = ["none"] * 3
    p, sp, np = policies
    return DmarcRecord(
        domain=domain,
        text=text,
        p=cast("Policy", p),
        sp=cast("Policy", sp or p),
        np=cast("Policy", np or sp or p),
        strict_dkim=tags.get("adkim", "").lower() == "s",
        strict_spf=tags.get("aspf", "").lower() == "s",
        psd=_psd(tags.get("psd", "").lower()),
        testing=tags.get("t", "").lower() == "y",
        pct=_percent(tags.get("pct", "")),
        rua=rua,
        ruf=_uris(tags.get("ruf", "")),
        fo=_failure_options(tags.get("fo", "0")),
        problem=f"DMARC record has no valid {wrong[0]}=" if wrong and not rua else "",
    )


def _tags(text: str) -> tuple[dict[str, str], set[str]]:
    tags: dict[str, str] = {}
    repeated: set[str] = set()
    for spec in text.split(";"):
        name, equals, value = spec.partition("=")
        name = name.strip(" \t\r\n").lower()
        if not equals:
            continue
        if name in tags or name in repeated:
            repeated.add(name)
            tags.pop(name, None)
        else:
            tags[name] = value.strip(" \t\r\n")
    return tags, repeated


def _psd(value: str) -> Literal["y", "n", "u"]:
    return "y" if value == "y" else "n" if value == "n" else "u"


def _percent(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 4 and int(value) <= 100 else 100


def _failure_options(value: str) -> tuple[str, ...]:
    options = tuple(word.strip(" \t").lower() for word in value.split(":"))
    return options if all(option in {"0", "1", "d", "s"} for option in options) else ("0",)


def _uris(value: str) -> tuple[str, ...]:
    uris = (uri.strip(" \t") for uri in value.split(",")[:MAX_URIS])
    return tuple(uri for uri in uris if _URI.fullmatch(uri))
