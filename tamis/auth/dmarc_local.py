"""dmarc_local - what a site does about a DMARC result: what the domain asks for, but for what the site knows better.

RFC 9989 section 8, with the words of RFC 9990 for each reason. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tamis.auth.arc_trust import passed_dmarc
from tamis.auth.dmarc import DmarcResult
from tamis.auth.dmarc_record import Policy
from tamis.auth.facts import Facts
from tamis.auth.reports.report import Reason

Wanted = Literal["none", "pass", "quarantine", "reject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPolicy:
    """What the site knows. Domains are lower-case A-labels; override: a domain and all below it."""

    override: Mapping[str, Policy] = field(default_factory=dict)
    trusted_sealers: tuple[str, ...] = ()
    mailing_lists: tuple[str, ...] = ()
    bad_from: Policy | Literal["policy"] = "policy"


@dataclass(frozen=True, slots=True)
class Decided:
    """wanted: what is to be done; pass is nothing, of a message that passes an enforcing policy. policy: whose word it
    is, for the reply: the domain's own, or the site's; unsure: DNS did not answer."""

    wanted: Wanted
    policy: str = ""
    reasons: tuple[Reason, ...] = ()
    unsure: bool = False


def unusable(fact: DmarcResult) -> bool:
    """Whether the From field does not name exactly one author."""
    own = fact.record.problem if fact.record else ""
    return fact.result == "permerror" and fact.reason != own


def decide(facts: Facts, local: LocalPolicy, forwarder: bool) -> Decided:
    """What is to be done with a message. *forwarder*: its client is known to relay what others have checked."""
    fact = facts.dmarc
    override = _override(fact.from_domain, local.override)
    if fact.result == "pass":
        return Decided("pass" if fact.policy != "none" else "none", fact.policy)
    if unusable(fact) and local.bad_from != "policy":
        return Decided(local.bad_from, "local", (Reason("local_policy", fact.reason),))
    if fact.result == "temperror":
        silent = (Reason("other", "DNS does not answer"),) if fact.policy != "none" else ()
        return Decided("none", fact.policy, silent, unsure=True)
    if override and not (fact.policy or unusable(fact)) and _within(facts, override):
        return Decided("pass", "local")
    if override:
        return _excused(facts, local, forwarder, local.override[override], "local")
    return _excused(facts, local, forwarder, fact.disposition, fact.policy)


def _excused(facts: Facts, local: LocalPolicy, forwarder: bool, asked: Policy, policy: str) -> Decided:
    """*asked*, unless somebody may send this although it fails."""
    if asked == "none":
        return Decided("none", policy, _why(facts.dmarc, asked, policy))
    excuses = (
        () if unusable(facts.dmarc) else _excuses(facts, local, forwarder)
    )  # whoever shows two authors has none
    for reason in excuses:
        return Decided("none", policy, (reason,))
    return Decided(asked, policy, _why(facts.dmarc, asked, policy))


def _why(fact: DmarcResult, done: Policy, policy: str) -> tuple[Reason, ...]:
    """Why it is not what is published."""
    if not fact.policy or done == fact.policy:
        return ()
    if policy == "local":
        return (Reason("local_policy", f"this site has a policy of its own: {done}"),)
    if unusable(fact):
        return (Reason("local_policy", fact.reason),)
    return (Reason("policy_test_mode"),)


def _excuses(facts: Facts, local: LocalPolicy, forwarder: bool) -> Iterator[Reason]:
    if forwarder:
        yield Reason("trusted_forwarder")
    authenticated = {facts.mailfrom.domain} if facts.mailfrom and facts.mailfrom.result == "pass" else set()
    authenticated |= {fact.domain for fact in facts.dkim if fact.trusted}
    for domain in sorted(authenticated.intersection(local.mailing_lists)):
        yield Reason("mailing_list", domain)
    if hop := passed_dmarc(facts.arc, local.trusted_sealers, facts.dmarc.from_domain):
        told = (f"as[{each.instance}].d={each.domain} as[{each.instance}].s={each.selector}"
                for each in reversed(facts.arc.hops[-5:]))  # fmt: skip
        yield Reason("local_policy", " ".join(("arc=pass", *told, f"trusted={hop.domain}"))[:300])


def _override(domain: str, table: Mapping[str, Policy]) -> str:
    """The longest domain of the table that *domain* is or is below; "" for none."""
    labels = domain.split(".")
    names = (".".join(labels[start:]) for start in range(len(labels)))
    return next((name for name in names if name in table), "")


def _within(facts: Facts, organization: str) -> bool:
    """Whether SPF or DKIM passes for a domain of *organization*: for a domain that has no policy nobody has looked."""
    passing = [facts.mailfrom.domain] if facts.mailfrom and facts.mailfrom.result == "pass" else []
    passing += [fact.domain for fact in facts.dkim if fact.trusted]
    return any(f".{domain}".endswith(f".{organization}") for domain in passing)
