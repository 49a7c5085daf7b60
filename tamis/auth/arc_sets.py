"""arc_sets - the ARC sets of a message and their structure (RFC 8617 sections 4.2 and 5.2, steps 1 to 3). Pure.

A chain is whole if its instances go from 1 without a gap and each has one field of each kind; anything else is told
by a sentence, for a broken chain never mends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from tamis.auth.dkim_signature import BadSignature, Signature, host, parse_arc, require, tags_of
from tamis.auth.dkim_tags import BadTags
from tamis.mail.headers import Field, Headers

RESULTS: Final = "ARC-Authentication-Results"
SIGNATURE: Final = "ARC-Message-Signature"
SEAL: Final = "ARC-Seal"
NAMES = (RESULTS, SIGNATURE, SEAL)  # in the order in which a seal covers them

MAX_INSTANCE = 50  # RFC 8617 section 4.2.1
MAX_RESULTS_BYTES = 16 << 10  # in which an instance is looked for
ALGORITHMS = frozenset({"rsa-sha256", "ed25519-sha256"})

_CFWS = r"(?:[ \t\r\n]|\((?:[^()\\]|\\.)*+\))*+"  # comments in comments are nowhere in the field
_INSTANCE = re.compile(rf"(?:^|;){_CFWS}i{_CFWS}={_CFWS}([0-9]+){_CFWS}(?:;|\Z)", re.DOTALL)

Status = Literal["none", "pass", "fail"]


class BrokenChain(ValueError):
    """The chain fails; the text is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Seal:
    """An ARC-Seal as parsed. cv: what its maker found of the chain before."""

    raw: bytes
    cv: Status
    algorithm: str
    domain: str
    selector: str
    signature: bytes

    @property
    def key_name(self) -> str:
        """Where the key is in DNS."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class ArcSet:
    """One instance of the chain."""

    instance: int
    results: Field
    signature: Signature
    seal: Seal


def present(headers: Headers) -> bool:
    """Whether there is any field of ARC."""
    return any(headers.all(name) for name in NAMES)


def highest_instance(headers: Headers) -> int:
    """The highest instance that any field claims; 0 for none. For sealing what is broken."""
    return max((instance for _, instance in _instances(headers) if instance), default=0)


def sealed_as_failed(headers: Headers) -> bool:
    """Whether the newest seal says cv=fail: then nobody adds another (RFC 8617 section 5.1)."""
    newest = highest_instance(headers)
    seals = [field for field, instance in _instances(headers) if instance == newest and _name(field) == SEAL]
    return any(tags_of(field).get("cv").lower() == "fail" for field in seals)


def sets_of(headers: Headers) -> tuple[ArcSet, ...]:
    """The chain, oldest first. Raises BrokenChain."""
    if sum(len(headers.all(name)) for name in NAMES) > len(NAMES) * MAX_INSTANCE:
        raise BrokenChain(f"more than {MAX_INSTANCE} ARC sets")
    found: dict[str, dict[int, Field]] = {name: {} for name in NAMES}
    for field, instance in _instances(headers):
        if instance is None:
            raise BrokenChain(f"{_name(field)} without a valid i=")
        if instance in found[_name(field)]:
            raise BrokenChain(f"{_name(field)} i={instance} stands twice")
        found[_name(field)][instance] = field
    count = len(found[SEAL])
    for name in NAMES:
        if sorted(found[name]) != list(range(1, count + 1)):
            raise BrokenChain(f"the {name} fields do not go from 1 to {count}")
    sets = tuple(_set(i, *(found[name][i] for name in NAMES)) for i in range(1, count + 1))
    _check_status(sets)
    return sets


def _check_status(sets: tuple[ArcSet, ...]) -> None:
    """The first found nothing, all others a good chain."""
    for one in sets:
        wanted = "none" if one.instance == 1 else "pass"
        if one.seal.cv != wanted:
            raise BrokenChain(f"ARC-Seal i={one.instance} says cv={one.seal.cv}")


def _name(field: Field) -> str:
    return next(name for name in NAMES if name.lower() == field.name.lower())


def _instances(headers: Headers) -> Iterator[tuple[Field, int | None]]:
    for name in NAMES:
        for field in headers.all(name):
            yield field, _instance_of_results(field) if name == RESULTS else _instance_of_tags(field)


def _instance_of_results(field: Field) -> int | None:
    """``i=`` comes first (RFC 8617 section 4.1.1), but others read it wherever it is; the seal covers it anyway."""
    match = _INSTANCE.search(field.value[:MAX_RESULTS_BYTES].decode("latin-1"))
    return _bounded(int(match[1])) if match and len(match[1]) <= 2 else None


def _instance_of_tags(field: Field) -> int | None:
    try:
        return _bounded(tags_of(field).number("i") or 0)
    except (BadTags, BadSignature):
        return None


def _bounded(instance: int) -> int | None:
    return instance if 1 <= instance <= MAX_INSTANCE else None


def _set(instance: int, results: Field, signature: Field, seal: Field) -> ArcSet:
    try:
        parsed = parse_arc(signature)
    except BadSignature as exc:
        raise BrokenChain(f"{SIGNATURE} i={instance}: {exc}") from exc
    try:
        return ArcSet(instance, results, parsed, _seal(seal))
    except (BadSignature, BadTags) as exc:
        raise BrokenChain(f"{SEAL} i={instance}: {exc}") from exc


def _seal(field: Field) -> Seal:
    """RFC 8617 section 4.1.3. Raises BadSignature, BadTags."""
    tags = tags_of(field)
    require(tags, "a", "b", "cv", "d", "s")
    if "h" in tags:
        raise BadSignature("h= is not for seals")
    tags.number("t")
    domain, selector, algorithm = host(tags.get("d")), host(tags.get("s")), tags.get("a")
    if not domain or not selector:
        raise BadSignature("d= or s= is no domain name")
    if algorithm not in ALGORITHMS:
        raise BadSignature("a= is not accepted")
    match tags.get("cv"):
        case "none" | "pass" | "fail" as cv:
            return Seal(field.raw, cv, algorithm, domain, selector, tags.octets("b"))
        case _:
            raise BadSignature("cv= is none of none, pass and fail")
