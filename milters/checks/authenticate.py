"""authenticate - who really sent this: SPF for MAIL FROM and HELO, written into one Authentication-Results field.

Fields that claim to be ours and are not are removed, in every spelling: what stands in ours, the delivery agent and
the users' filters may trust. Mail of our own users and networks has nothing to prove; for logins the field says so.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import ClassVar, Literal

from tamis import metrics
from tamis.auth.spf import SpfResult, helo, mail_from
from tamis.check import Services
from tamis.config.schema import Network, option
from tamis.mail import authres
from tamis.mail.authres import MethodResult, Property
from tamis.mail.headers import Headers
from tamis.transaction import Stage, Transaction
from tamis.verdict import AddHeader, RemoveHeader, Verdict, passed, reject

MAX_FIELDS = 200  # each host on the way adds one or two; more are an attack on those who read them all

_NO_HEADERS = Headers(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticate:
    """Its fields are its options: ``[milter.checks.authenticate]``."""

    authserv_id: str = option("", "whose results they are; empty: hostname")
    trusted_networks: tuple[Network, ...] = option((), "clients that relay for us; not asked for SPF")
    spf_fail: Literal["none", "reject"] = option(
        "none", "what an SPF fail of MAIL FROM means; DMARC wants none"
    )

    name: ClassVar[str] = "authenticate"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.END_OF_MESSAGE})

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """Facts into one field. DNS that fails is a result (temperror), not a failure."""
        ours = self.authserv_id or services.hostname
        headers = txn.message.headers if txn.message else _NO_HEADERS
        if len(headers.all(authres.NAME)) > MAX_FIELDS:
            return reject("5.7.1", f"Too many {authres.NAME} fields", "results_flood")
        removals = tuple(RemoveHeader(authres.NAME, n) for n in authres.forged(headers, ours))
        if txn.sasl_username:
            results = [
                MethodResult("auth", "pass", properties=(Property("smtp", "auth", txn.sasl_username),))
            ]
        elif self._trusts(txn.client_address):
            results = []
        else:
            facts = await _spf(txn, services)
            if (
                self.spf_fail == "reject"
                and facts
                and facts[0].scope == "mfrom"
                and facts[0].result == "fail"
            ):
                return reject("5.7.23", f"SPF fail for {facts[0].domain}: {facts[0].explanation}", "spf_fail")
            results = [_written(fact, txn) for fact in facts]
        return passed(*removals, AddHeader(authres.NAME, authres.build(ours, results)))

    def _trusts(self, client_address: str) -> bool:
        if not self.trusted_networks:
            return False
        try:
            client = ip_address(client_address)
        except ValueError:
            return False
        if isinstance(client, IPv6Address) and client.ipv4_mapped:
            client = client.ipv4_mapped
        return any(client in network for network in self.trusted_networks)


async def _spf(txn: Transaction, services: Services) -> list[SpfResult]:
    """The fact of MAIL FROM, where there is a sender, and that of HELO, where there was one. Both are asked at once:
    one after the other, two slow domains would take longer than the stage may."""
    client, name, receiver = txn.client_address, txn.helo_name, services.hostname
    questions = [mail_from(services.dns, client, txn.sender, name, receiver)] if txn.sender else []
    if name:
        questions.append(helo(services.dns, client, name, receiver))
    facts = await asyncio.gather(*questions)
    for fact in facts:
        metrics.count_spf(fact.result)
    return facts


def _written(fact: SpfResult, txn: Transaction) -> MethodResult:
    """RFC 8601 section 2.7.2. A sender that is not plain ASCII is named by its domain alone."""
    if fact.scope == "helo":
        return MethodResult("spf", fact.result, properties=(Property("smtp", "helo", fact.domain),))
    sender = txn.sender if txn.sender.isascii() else fact.domain
    return MethodResult("spf", fact.result, properties=(Property("smtp", "mailfrom", sender),))
