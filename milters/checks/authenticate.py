"""authenticate - who really sent this: SPF, DKIM, ARC and DMARC, written into one Authentication-Results field.

Fields that claim to be ours and are not are removed, in every spelling: what stands in ours, the delivery agent and
the users' filters may trust. Mail of our own users and networks has nothing to prove; for logins the field says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from tamis import metrics
from tamis.auth import received, results
from tamis.auth.facts import Client, Facts, find
from tamis.auth.psl import SuffixList, named_list
from tamis.auth.received import received_spf
from tamis.check import Services
from tamis.clients import address, within
from tamis.config.schema import Network, option
from tamis.errors import TempFail
from tamis.mail import authres
from tamis.mail.authres import MethodResult, Property
from tamis.mail.headers import Headers
from tamis.mail.message import Message
from tamis.transaction import Stage, Transaction
from tamis.verdict import AddHeader, Kind, RemoveHeader, Verdict, passed, reject

MAX_FIELDS = 200  # each host on the way adds one or two; more are an attack on those who read them all

_EMPTY = Message(b"")
_NO_HEADERS = Headers(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticate:
    """Its fields are its options: ``[milter.checks.authenticate]``."""

    authserv_id: str = option("", "whose results they are; empty: hostname")
    trusted_networks: tuple[Network, ...] = option((), "clients that relay for us; they are not asked")
    spf_fail: Literal["none", "reject"] = option(
        "none", "what an SPF fail of MAIL FROM means; DMARC wants none"
    )
    received_spf: bool = option(False, "add Received-SPF too, for those who read nothing else")
    organizational_domain: Literal["tree-walk", "suffix-list"] = option(
        "tree-walk", "how DMARC finds whose a subdomain is: RFC 9989, or RFC 7489 and a list"
    )
    suffix_list: str = option(
        "", "the public suffix list; empty: the system's, else the one of publicsuffixlist"
    )

    name: ClassVar[str] = "authenticate"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.END_OF_MESSAGE})

    def problems(self) -> Iterator[str]:
        """A list that cannot be read. It is read here, at the start: that takes 0.2 s, too long among requests."""
        try:
            self.suffixes()
        except TempFail as exc:
            yield f"suffix_list: {exc.text}"

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """Facts into one field. DNS that fails is a result (temperror), not a failure."""
        ours = self.authserv_id or services.hostname
        headers = txn.message.headers if txn.message else _NO_HEADERS
        if len(headers.all(authres.NAME)) > MAX_FIELDS:
            return reject("5.7.1", f"Too many {authres.NAME} fields", "results_flood")
        removals = tuple(RemoveHeader(authres.NAME, n) for n in authres.forged(headers, ours))
        if txn.sasl_username:
            login = MethodResult("auth", "pass", properties=(Property("smtp", "auth", txn.sasl_username),))
            return passed(*removals, AddHeader(authres.NAME, authres.build(ours, [login])))
        if within(address(txn.client_address), self.trusted_networks):
            return passed(*removals, AddHeader(authres.NAME, authres.build(ours, [])))
        client = Client(txn.client_address, txn.helo_name, txn.sender, services.hostname)
        facts = await find(txn.message or _EMPTY, client, services.dns, services.clock(), self.suffixes())
        _count(facts)
        mailfrom = facts.mailfrom
        if self.spf_fail == "reject" and txn.sender and mailfrom and mailfrom.result == "fail":
            return reject("5.7.23", f"SPF fail for {mailfrom.domain}: {mailfrom.explanation}", "spf_fail")
        added = [AddHeader(authres.NAME, authres.build(ours, results.written(facts, client)))]
        if self.received_spf and mailfrom:
            value = received_spf(mailfrom, client.address, client.sender, client.helo_name, client.receiver)
            added.append(AddHeader(received.NAME, value))
        return Verdict(Kind.PASS, edits=(*removals, *added), facts=facts)

    def suffixes(self) -> SuffixList | None:
        """The list, if organizational domains are found by it. Raises TempFail where it cannot be read."""
        return None if self.organizational_domain == "tree-walk" else named_list(self.suffix_list)


def _count(facts: Facts) -> None:
    """Each fact once."""
    counted = [facts.mailfrom] if facts.mailfrom is not facts.helo else []
    for fact in (*counted, facts.helo):
        if fact is not None:
            metrics.count_spf(fact.result)
    for signature in facts.dkim:
        metrics.count_dkim(signature.result)
    if not facts.dkim:
        metrics.count_dkim("none")
    metrics.count_arc(facts.arc.cv)
    metrics.count_dmarc(facts.dmarc.result)
