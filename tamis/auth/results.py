"""results - facts as they stand in an Authentication-Results field (RFC 8601). Pure.

A signature that leaves a part of the body to anybody (l=) is written as ``policy``: those who read the field only
look for ``pass``.
"""

from __future__ import annotations

from collections.abc import Iterable

from tamis.auth.arc import ArcResult
from tamis.auth.dkim import DkimResult
from tamis.auth.dmarc import DmarcResult
from tamis.auth.facts import Client, Facts
from tamis.auth.spf import SpfResult
from tamis.mail.authres import MethodResult, Property

MAX_SIGNATURES_CHARS = 4000  # with the other results it fits a field, which transports cut


def written(facts: Facts, client: Client) -> list[MethodResult]:
    """All facts, in the order in which they came about; of signatures those that there is room for."""
    return [
        *spf_written(facts.mailfrom, facts.helo, client.sender),
        *_signatures_written(facts.dkim),
        dmarc_written(facts.dmarc),
        *([arc_written(facts.arc, client.address)] if facts.arc.cv != "none" else []),
    ]


def _signatures_written(signatures: Iterable[DkimResult]) -> Iterable[MethodResult]:
    """Those that pass have the first claim: with long names a stranger could else push out what counts."""
    results = [dkim_written(fact) for fact in signatures] or [dkim_written(DkimResult(result="none"))]
    room, fitting = MAX_SIGNATURES_CHARS, set()
    for place in sorted(range(len(results)), key=lambda place: results[place].result != "pass"):
        room -= len(str(results[place]))
        if room >= 0:
            fitting.add(place)
    return (result for place, result in enumerate(results) if place in fitting)


def spf_written(mailfrom: SpfResult | None, helo: SpfResult | None, sender: str) -> Iterable[MethodResult]:
    """RFC 8601 section 2.7.2. A sender that is not plain ASCII is named by its domain alone."""
    if mailfrom is not None and sender:
        name = sender if sender.isascii() else mailfrom.domain
        yield MethodResult("spf", mailfrom.result, properties=(Property("smtp", "mailfrom", name),))
    if helo is not None:
        yield MethodResult("spf", helo.result, properties=(Property("smtp", "helo", helo.domain),))


def dkim_written(fact: DkimResult) -> MethodResult:
    """RFC 8601 section 2.7.1, RFC 6008, RFC 8463."""
    properties = (
        Property("header", "d", fact.domain),
        Property("header", "i", fact.identity),
        Property("header", "s", fact.selector),
        Property("header", "a", fact.algorithm),
        Property("header", "b", fact.signature),
    )
    result = "policy" if fact.result == "pass" and not fact.trusted else fact.result
    return MethodResult("dkim", result, fact.reason, tuple(p for p in properties if p.value))


def dmarc_written(fact: DmarcResult) -> MethodResult:
    """RFC 9989 section 9; the policy and where it was found, if not at the author's domain."""
    record = fact.record
    elsewhere = record.domain if record is not None and record.domain != fact.from_domain else ""
    properties = (
        Property("header", "from", fact.from_domain),
        Property("polrec", "p", fact.policy),
        Property("polrec", "domain", elsewhere),
    )
    return MethodResult("dmarc", fact.result, fact.reason, tuple(p for p in properties if p.value))


def arc_written(fact: ArcResult, client_address: str) -> MethodResult:
    """RFC 8617 section 10.2."""
    properties = []
    if fact.cv == "pass":
        properties.append(Property("header", "oldest-pass", str(fact.oldest_pass)))
    if client_address:
        properties.append(Property("smtp", "remote-ip", client_address))
    return MethodResult("arc", fact.cv, fact.reason, tuple(properties))
