"""dmarc - whether the author's domain vouches for a message (RFC 9989): facts of SPF and DKIM in, a fact out.

What is done about it is the check's; `DmarcResult.disposition` is what the domain asks for. SPF and DKIM count by
their facts in memory, never by what a header field says. A From that is not one plain address is a permerror, and
the disposition is then the strictest that any domain in it asks for, and the strictest of all where there are more
domains than anybody's mail has.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tamis.auth.dkim import DkimResult
from tamis.auth.dkim_signature import host
from tamis.auth.dmarc_discovery import Discovered, Discovery
from tamis.auth.dmarc_record import POLICIES, DmarcRecord, Policy
from tamis.auth.from_header import Author
from tamis.auth.spf import SpfResult
from tamis.errors import TempFail

Result = Literal["none", "pass", "fail", "temperror", "permerror"]

MAX_SECONDS = (
    4.0  # after SPF's 20, below the milter's deadline; policies are known by then (`tamis.auth.facts`)
)
MAX_IDENTIFIERS = 6  # domains whose organization is asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcResult:
    """A fact. policy: what the record says of this domain, "" without one; disposition: what is asked for after
    alignment and t=y; record: None without one."""

    result: Result
    from_domain: str = ""
    organizational_domain: str = ""
    policy: Policy | Literal[""] = ""
    disposition: Policy = "none"
    spf_aligned: bool = False
    dkim_aligned: bool = False
    record: DmarcRecord | None = None
    reason: str = ""


async def evaluate(
    author: Author, spf: SpfResult | None, dkim: Sequence[DkimResult], discovery: Discovery
) -> DmarcResult:
    """*spf*: of MAIL FROM, of HELO only for the null sender (RFC 7208 section 2.4). DNS that fails is a temperror."""
    if not author.problem:
        return await _one(author.domains[0], spf, dkim, discovery)
    facts = await asyncio.gather(*(_one(domain, spf, dkim, discovery) for domain in author.domains))
    worst = max(facts, key=lambda fact: POLICIES.index(fact.disposition), default=DmarcResult(result="none"))
    if not author.whole:  # one more name than we look at must not be a way around a policy
        worst = replace(worst, disposition=POLICIES[-1])
    if worst.result == "temperror" and author.whole:
        return replace(worst, reason=author.problem)
    return replace(worst, result="permerror", reason=author.problem)


async def _one(
    domain: str, spf: SpfResult | None, dkim: Sequence[DkimResult], discovery: Discovery
) -> DmarcResult:
    try:
        async with asyncio.timeout(MAX_SECONDS):
            return await _judge(domain, spf, dkim, discovery)
    except (TempFail, TimeoutError):
        fact = DmarcResult(result="temperror", from_domain=domain, reason="DNS does not answer")
        return await _exact(fact, spf, dkim, discovery)


async def _exact(
    fact: DmarcResult, spf: SpfResult | None, dkim: Sequence[DkimResult], discovery: Discovery
) -> DmarcResult:
    """*fact*, or a pass of the very domain: for that its organization need not be known, if it has its own record."""
    domain = fact.from_domain
    with contextlib.suppress(TempFail, TimeoutError):
        async with asyncio.timeout(1.0):
            record = await discovery.own(domain)
        if record is None or record.problem:
            return fact
        by_spf = spf is not None and spf.result == "pass" and host(spf.domain) == domain
        by_dkim = any(signature.trusted and signature.domain == domain for signature in dkim)
        if by_spf or by_dkim:
            return DmarcResult(
                result="pass",
                from_domain=domain,
                organizational_domain=domain,
                policy=record.p,
                spf_aligned=by_spf,
                dkim_aligned=by_dkim,
                record=record,
            )
    return fact


async def _judge(
    domain: str, spf: SpfResult | None, dkim: Sequence[DkimResult], discovery: Discovery
) -> DmarcResult:
    found = await discovery.discover(domain)
    record = found.record
    fact = DmarcResult(
        result="none", from_domain=domain, organizational_domain=found.organizational, record=record
    )
    if record is None:
        return fact
    if record.problem:
        return replace(fact, result="permerror", reason=record.problem)
    alignment = _Alignment(domain, found, discovery)
    spf_aligned = (
        spf is not None and spf.result == "pass" and await alignment.of(spf.domain, record.strict_spf)
    )
    dkim_aligned = False
    for signature in dkim:
        if signature.trusted and await alignment.of(signature.domain, record.strict_dkim):
            dkim_aligned = True
            break
    fact = replace(
        fact,
        policy=await _policy(domain, record, discovery),
        spf_aligned=spf_aligned,
        dkim_aligned=dkim_aligned,
    )
    if spf_aligned or dkim_aligned:
        return replace(fact, result="pass")
    if await _undecided(alignment, record, spf, dkim) or alignment.undecided:
        return replace(fact, result="temperror", reason="an aligned domain's DNS does not answer")
    assert fact.policy
    return replace(fact, result="fail", disposition=disposition(fact.policy, record))


def disposition(policy: Policy, record: DmarcRecord) -> Policy:
    """One step milder for a record in test mode (RFC 9989 section 4.7, t=), as pct=0 was before."""
    if record.testing or record.pct == 0:
        return POLICIES[max(0, POLICIES.index(policy) - 1)]
    return policy


async def _policy(domain: str, record: DmarcRecord, discovery: Discovery) -> Policy:
    """p for the domain of the record itself; sp for those below it, np for those of them that do not exist."""
    if record.domain == domain:
        return record.p
    if record.np != record.sp and not await discovery.exists(domain):
        return record.np
    return record.sp


async def _undecided(
    alignment: _Alignment, record: DmarcRecord, spf: SpfResult | None, dkim: Sequence[DkimResult]
) -> bool:
    """Whether a later look could still find an aligned pass."""
    if spf is not None and spf.result == "temperror" and await alignment.of(spf.domain, record.strict_spf):
        return True
    for signature in dkim:
        if signature.result == "temperror" and await alignment.of(signature.domain, record.strict_dkim):
            return True
    return False


class _Alignment:
    """Of other domains with the author's (RFC 9989 section 4.4)."""

    def __init__(self, domain: str, found: Discovered, discovery: Discovery) -> None:
        self._domain = domain
        self._organizational = found.organizational
        self._discovery = discovery
        self._asked: set[str] = set()
        self.undecided = False

    async def of(self, domain: str, strict: bool) -> bool:
        """Whether *domain* is the author's, or of the same organization unless *strict*.

        Where DNS does not say it is not, and `undecided`: another identifier may still be aligned."""
        domain = host(domain)
        if domain == self._domain:
            return True
        below = domain == self._organizational or domain.endswith(f".{self._organizational}")
        if strict or not below:  # an organizational domain is never below what it is the organization of
            return False
        self._asked.add(domain)
        if len(self._asked) > MAX_IDENTIFIERS:
            return False
        try:
            return await self._discovery.organizational(domain) == self._organizational
        except TempFail:
            self.undecided = True
            return False
