"""facts - all that can be known of where a message comes from, each fact found once: SPF, DKIM, ARC, DMARC.

The look-ups of one do not wait for those of another; only DMARC stands on the others. Nothing here judges.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from tamis.auth import arc, dkim, dmarc, spf
from tamis.auth.arc import ArcResult
from tamis.auth.arc_sets import present
from tamis.auth.dkim import DkimResult
from tamis.auth.dmarc import DmarcResult
from tamis.auth.dmarc_discovery import Discovery
from tamis.auth.from_header import Author, author
from tamis.auth.psl import SuffixList
from tamis.auth.spf import SpfResult
from tamis.dns import Resolver
from tamis.errors import TempFail
from tamis.mail.message import Message

MAX_CHAIN_S = 15.0
MAX_DISCOVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Client:
    """Who delivers: address, HELO name, MAIL FROM ("" for the null sender); receiver: our own name."""

    address: str
    helo_name: str
    sender: str
    receiver: str


@dataclass(frozen=True, slots=True)
class Facts:
    """mailfrom: of HELO for the null sender (RFC 7208 section 2.4); None: there was nothing to ask about."""

    mailfrom: SpfResult | None
    helo: SpfResult | None
    dkim: tuple[DkimResult, ...]
    arc: ArcResult
    dmarc: DmarcResult


async def find(
    message: Message, client: Client, resolver: Resolver, now: float, suffixes: SuffixList | None = None
) -> Facts:
    """*suffixes*: organizational domains by that list and not by the tree walk. DNS that fails is a fact too."""
    who = author(message.headers)
    discovery = Discovery(resolver, suffixes)
    mailfrom, helo, signatures, chain, _ = await asyncio.gather(
        _mailfrom(client, resolver),
        _helo(client, resolver),
        dkim.verify(message, resolver, now),
        _chain(message, resolver, now),
        _begin(who, discovery),
    )
    mailfrom = mailfrom or helo
    judged = await dmarc.evaluate(who, mailfrom, signatures, discovery)
    return Facts(mailfrom, helo, signatures, chain, judged)


async def find_spf(client: Client, resolver: Resolver) -> tuple[SpfResult | None, SpfResult | None]:
    """The facts of MAIL FROM and HELO; one for both where there is no sender."""
    mailfrom, helo = await asyncio.gather(_mailfrom(client, resolver), _helo(client, resolver))
    return mailfrom or helo, helo


async def _mailfrom(client: Client, resolver: Resolver) -> SpfResult | None:
    if not client.sender:
        return None
    return await spf.mail_from(resolver, client.address, client.sender, client.helo_name, client.receiver)


async def _helo(client: Client, resolver: Resolver) -> SpfResult | None:
    if not client.helo_name:
        return None
    return await spf.helo(resolver, client.address, client.helo_name, client.receiver)


async def _chain(message: Message, resolver: Resolver, now: float) -> ArcResult:
    if not present(message.headers):
        return ArcResult(cv="none")
    try:
        async with asyncio.timeout(MAX_CHAIN_S):
            return await arc.verify(message, resolver, now)
    except TimeoutError:
        return ArcResult(cv="fail", reason="DNS does not answer in time", temporary=True)


async def _begin(who: Author, discovery: Discovery) -> None:
    """Ask for the policies while the others ask for keys: `Discovery` remembers, failures too."""
    with contextlib.suppress(TempFail, TimeoutError):
        async with asyncio.timeout(MAX_DISCOVERY_S):
            await _discover(who.domains, discovery)


async def _discover(domains: Sequence[str], discovery: Discovery) -> None:
    for domain in domains:
        await discovery.discover(domain)
