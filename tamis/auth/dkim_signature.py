"""dkim_signature - what a DKIM-Signature or ARC-Message-Signature field says (RFC 6376 section 3.5). Pure.

Says whether the field obeys the grammar and its own rules; whether the signature is good is `tamis.auth.dkim`'s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tamis.auth.dkim_canon import RELAXED, SIMPLE
from tamis.auth.dkim_tags import BadTags, Tags, parse
from tamis.mail.headers import Field

NAME: Final = "DKIM-Signature"
MAX_NAMES = 200  # of h=, as each costs a look-up
ALGORITHMS = frozenset({"rsa-sha256", "ed25519-sha256", "rsa-sha1"})

_NAMES = re.compile(r"[!-9<-~]+(?::[!-9<-~]+)*")  # field names, but for the semicolon that ends the tag
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_CANONS = (SIMPLE, RELAXED)


class BadSignature(ValueError):
    """The field is no valid signature; the text is a sentence for people. domain, selector: as far as known."""

    def __init__(self, sentence: str, domain: str = "", selector: str = "") -> None:
        super().__init__(sentence)
        self.domain = domain
        self.selector = selector


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature as parsed. names: of h=, lower case, in order; identity: i=, "@domain" without one;
    body_length: l=, None for the whole body; signed_at, expires_at: seconds since the epoch;
    canon_given: c= is there."""

    raw: bytes
    algorithm: str
    domain: str
    selector: str
    identity: str
    header_canon: str
    body_canon: str
    names: tuple[str, ...]
    body_hash: bytes
    signature: bytes
    body_length: int | None
    signed_at: int | None
    expires_at: int | None
    canon_given: bool

    @property
    def key_name(self) -> str:
        """Where the key is in DNS."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def in_subdomain(self) -> bool:
        """Whether i= names a subdomain of d=, which ``t=s`` in the key record forbids."""
        return host(self.identity.rpartition("@")[2]) != self.domain


def parse_dkim(field: Field) -> Signature:
    """A DKIM-Signature. Raises BadSignature."""
    tags = tags_of(field)
    if tags.get("v") != "1":
        raise _bad(tags, "v= is not 1")
    domain = host(tags.get("d"))
    identity = tags.get("i", f"@{domain}")
    _, at, identity_domain = identity.rpartition("@")
    identity_domain = host(identity_domain)
    if not at or (identity_domain != domain and not identity_domain.endswith(f".{domain}")):
        raise _bad(tags, "i= is not in the domain of d=")
    return _signature(field, tags, identity)


def parse_arc(field: Field) -> Signature:
    """An ARC-Message-Signature, whose i= is an instance and which has no v= (RFC 8617 section 4.1.2).

    Raises BadSignature."""
    tags = tags_of(field)
    signature = _signature(field, tags, f"@{host(tags.get('d'))}")
    if "arc-seal" in signature.names:
        raise _bad(tags, "h= covers ARC-Seal")
    return signature


def tags_of(field: Field) -> Tags:
    """The tags of a field. Raises BadSignature."""
    try:
        return parse(field.value)
    except BadTags as exc:
        raise BadSignature(str(exc)) from exc


def host(text: str) -> str:
    """A domain name in lower-case ASCII form (RFC 8616); "" if it is none."""
    text = text.lower()
    if not text.isascii():
        try:
            text = text[:255].encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    return text if len(text) <= 253 and _HOST.fullmatch(text) else ""


def require(tags: Tags, *names: str) -> None:
    """Raises BadSignature where one of *names* is absent or empty."""
    for name in names:
        if not tags.get(name):
            raise _bad(tags, f"{name}= is missing")


def _bad(tags: Tags, sentence: str) -> BadSignature:
    return BadSignature(sentence, host(tags.get("d")), host(tags.get("s")))


def _signature(field: Field, tags: Tags, identity: str) -> Signature:
    require(tags, "a", "b", "bh", "d", "h", "s")
    header_canon, _, body_canon = tags.get("c", f"{SIMPLE}/{SIMPLE}").partition("/")
    body_canon = body_canon if "/" in tags.get("c", "/") else SIMPLE
    algorithm = tags.get("a")
    if header_canon not in _CANONS or body_canon not in _CANONS:
        raise _bad(tags, "c= is not known")
    if algorithm not in ALGORITHMS:
        raise _bad(tags, "a= is not known")
    if "dns/txt" not in tags.words("q", "dns/txt"):
        raise _bad(tags, "q= is not known")
    domain, selector = host(tags.get("d")), host(tags.get("s"))
    if not domain or not selector:
        raise _bad(tags, "d= or s= is no domain name")
    try:
        signed_at, expires_at = tags.number("t"), tags.number("x")
        if signed_at is not None and expires_at is not None and expires_at <= signed_at:
            raise _bad(tags, "x= is not after t=")
        return Signature(
            raw=field.raw,
            algorithm=algorithm,
            domain=domain,
            selector=selector,
            identity=identity,
            header_canon=header_canon,
            body_canon=body_canon,
            names=_names(tags),
            body_hash=tags.octets("bh"),
            signature=tags.octets("b"),
            body_length=tags.number("l"),
            signed_at=signed_at,
            expires_at=expires_at,
            canon_given="c" in tags,
        )
    except BadTags as exc:
        raise _bad(tags, str(exc)) from exc


def _names(tags: Tags) -> tuple[str, ...]:
    names = tags.words("h", "")
    if len(names) > MAX_NAMES:
        raise _bad(tags, f"h= has more than {MAX_NAMES} names")
    if not _NAMES.fullmatch(listed := ":".join(names)):
        raise _bad(tags, "h= holds what is no field name")
    names = tuple(listed.lower().split(":"))
    if "from" not in names:
        raise _bad(tags, "h= does not cover From")
    return names
