"""destinations - where a domain's reports may go (RFC 9990 sections 3.4 and 4; RFC 7489 section 7.1).

A record names any address, its victims' too: one outside of the domain's organization must say in its own DNS that it
wants the reports. Only mail is sent; other schemes are passed over. Sizes (``!10m``) are those of RFC 7489.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from tamis.auth.dkim_signature import host
from tamis.auth.dmarc_discovery import Discovery
from tamis.auth.dmarc_record import is_record, parse
from tamis.auth.reports.collected import MAX_DESTINATIONS, Heading
from tamis.dns import Resolver
from tamis.errors import TempFail

MAX_NAME_CHARS = 253

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}")
_URI = re.compile(r"mailto:([^!?]+)(?:\?[^!]*)?(?:!([0-9]{1,15})([kmgt]?))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Destination:
    """A mail address in ASCII, and the largest mail that it takes; 0: any."""

    address: str
    most_bytes: int = 0

    @property
    def host(self) -> str:
        """Its domain."""
        return self.address.rpartition("@")[2]


@dataclass(slots=True)
class Destinations:
    """refused: addresses that get none, each with a sentence. later: DNS did not answer about some."""

    found: list[Destination] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    later: bool = False


def mailto(uri: str) -> Destination | None:
    """An address out of an rua URI; None for what is none."""
    match = _URI.fullmatch(uri.strip())
    if match is None:
        return None
    local, at, domain = unquote(match[1]).rpartition("@")
    name = host(domain)
    if not at or not name or not _LOCAL.fullmatch(local):
        return None
    unit = 1024 ** " kmgt".index(match[3].lower() or " ") if match[2] else 0
    return Destination(f"{local}@{name}", int(match[2] or 0) * unit)


async def destinations(heading: Heading, discovery: Discovery, resolver: Resolver) -> Destinations:
    """Those that are wanted and may be used, in the order of the record."""
    result = Destinations()
    for uri in heading.rua[:MAX_DESTINATIONS]:
        wanted = mailto(uri)
        if wanted is None:
            result.refused.append(f"{uri}: only mailto: is served")
            continue
        try:
            verified = await _verified(heading, wanted, discovery, resolver)
        except TempFail:
            result.later = True
            result.refused.append(f"{wanted.address}: DNS does not answer whether it wants the reports")
            continue
        if not verified:
            result.refused.append(f"{wanted.address}: {wanted.host} does not say that it wants the reports")
        known = {one.address.lower() for one in result.found}
        result.found += [one for one in verified if one.address.lower() not in known]
    return result


async def _verified(
    heading: Heading, wanted: Destination, discovery: Discovery, resolver: Resolver
) -> list[Destination]:
    """*wanted*, or what its host names in its place; nothing where that does not agree. Raises TempFail."""
    domain = heading.published.domain
    if wanted.host == domain or await discovery.organizational(wanted.host) == heading.organization:
        return [wanted]
    name = f"{domain}._report._dmarc.{wanted.host}"
    if len(name) > MAX_NAME_CHARS:
        return []
    records = [parse(wanted.host, text) for text in await resolver.texts(name) if is_record(text)]
    if not records:
        return []
    named = [mailto(uri) for record in records for uri in record.rua]
    if not named:
        return [wanted]
    others = [one for one in named if one is not None and one.host == wanted.host]
    return others[:1] if len(others) == len(named) else []
