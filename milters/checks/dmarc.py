"""dmarc - what is done with mail that fails DMARC: what its domain asks for, unless this site knows better (RFC 9989).

    [milter.checks.dmarc]                       # behind [milter.checks.authenticate], which finds the facts
    trusted_sealers = ["lists.example.net"]     # believed where they say that a message passed before they changed it
    mailing_lists = ["debian.org"]              # by SPF or DKIM of their own
    override = { "bank.example" = "reject", "example.org" = "none" }

Mail of our own users and networks has no facts, and is not asked. What is done stands in a field of its own for Sieve,
and in the numbers of the aggregate reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from milters import answers
from milters.dmarc_reports import ReportsConfig, collect
from tamis import metrics
from tamis.auth.dkim_signature import host
from tamis.auth.dmarc_local import Decided, LocalPolicy, decide
from tamis.auth.dmarc_record import Policy
from tamis.auth.facts import Facts
from tamis.auth.reports.report import Reason
from tamis.check import Services
from tamis.clients import address, within
from tamis.config.schema import Network, option
from tamis.transaction import Stage, Transaction
from tamis.verdict import AddHeader, Edit, Kind, RemoveHeader, Verdict, defer, reject

JUNK = "junk"
MAX_FIELDS = 50
PLACEHOLDERS = ("domain", "policy", "hostname", *answers.PLACEHOLDERS)

_REFUSED = "DMARC of {domain} ({policy}): neither SPF nor DKIM passes for the author's domain"
_HELD = "DMARC of {domain} ({policy})"
_DONE = {Kind.HOLD: "quarantine", Kind.REJECT: "reject", Kind.DEFER: "reject", Kind.DISCARD: "reject"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dmarc:
    """Its fields are its options: ``[milter.checks.dmarc]``."""

    reject: str = option(
        "reject",
        "what p=reject means: an answer such as reject, hold, score 5, REJECT 5.7.1 your words; or junk",
    )
    quarantine: str = option(
        JUNK,
        "what p=quarantine means: likewise; junk: accepted, with the tag dmarc_junk and a field for Sieve",
    )
    override: dict[str, Policy] = option(
        {}, "policies of ours for domains and those below them, in place of what they publish, or do not"
    )
    trusted_sealers: tuple[str, ...] = option(
        (), "domains whose ARC seals are believed where they say that DMARC passed"
    )
    mailing_lists: tuple[str, ...] = option(
        (), "domains of lists, known by SPF of MAIL FROM or by DKIM: nothing is done to their mail"
    )
    trusted_forwarders: tuple[Network, ...] = option(
        (), "clients that forward what others sent: nothing is done to their mail"
    )
    bad_from: Literal["policy", "none", "quarantine", "reject"] = option(
        "policy", "From that is not one address: as the strictest of its domains asks, or always so"
    )
    temperror: Literal["pass", "defer"] = option("pass", "DNS does not answer, and nothing aligned passes")
    field: str = option("X-DMARC-Disposition", "says quarantine or reject to Sieve; empty: no field")
    reports: ReportsConfig = option(ReportsConfig(), "aggregate reports")

    name: ClassVar[str] = "dmarc"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.END_OF_MESSAGE})

    def problems(self) -> Iterator[str]:
        """Answers that are none, and domains that are none."""
        for key in ("reject", "quarantine"):
            if getattr(self, key) != JUNK:
                yield from answers.problems(key, getattr(self, key), PLACEHOLDERS)
        for key in ("override", "trusted_sealers", "mailing_lists"):
            for domain in getattr(self, key):
                if host(domain) != domain:
                    yield f"{key}: {domain!r} is no domain name in lower-case ASCII"
        if self.field and not all("!" <= c <= "~" and c != ":" for c in self.field):
            yield "field: is no name of a header field"

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """Judge by the facts; what nobody has looked at passes."""
        forged = self._forged(txn)
        if len(forged) > MAX_FIELDS:
            return reject("5.7.1", f"Too many {self.field} fields", "results_flood")
        facts = txn.findings.facts
        if facts is None:
            return Verdict(Kind.PASS, edits=forged)
        decided = decide(facts, self._local(), within(address(txn.client_address), self.trusted_forwarders))
        if decided.unsure and self.temperror == "defer":
            return defer("4.7.1", "DMARC cannot be evaluated now, DNS does not answer", "dmarc_temperror")
        verdict, done = self._act(txn, facts, decided, services.hostname, forged)
        if done != decided.wanted:
            decided = _by_site(decided, done)
        metrics.count_dmarc_disposition(done)
        await collect(self.reports, txn, facts, done, decided, services)
        return verdict

    def _forged(self, txn: Transaction) -> tuple[RemoveHeader, ...]:
        """Fields in our name that others wrote."""
        if txn.message is None or not self.field:
            return ()
        found = txn.message.headers.all(self.field)
        return tuple(RemoveHeader(self.field, n) for n in range(1, len(found) + 1))

    def _local(self) -> LocalPolicy:
        return LocalPolicy(
            override=self.override,
            trusted_sealers=self.trusted_sealers,
            mailing_lists=self.mailing_lists,
            bad_from=self.bad_from,
        )

    def _act(
        self, txn: Transaction, facts: Facts, decided: Decided, hostname: str, edits: tuple[Edit, ...]
    ) -> tuple[Verdict, str]:
        """The verdict, and what it is in the words of reports."""
        if decided.wanted not in {"quarantine", "reject"}:
            return Verdict(Kind.PASS, edits=edits), decided.wanted
        text = self.reject if decided.wanted == "reject" else self.quarantine
        reason = f"dmarc_{decided.wanted}"
        marked = (*edits, AddHeader(self.field, decided.wanted)) if self.field else edits
        if text == JUNK:
            return Verdict(Kind.PASS, reason=reason, edits=marked, tags=("dmarc_junk",)), "quarantine"
        policy = decided.policy if decided.policy == "local" else f"p={decided.policy or decided.wanted}"
        domain = facts.dmarc.from_domain
        values = {**answers.values_of(txn), "domain": domain, "policy": policy, "hostname": hostname}
        found = answers.answer(text, "7.1", _HELD if text == "hold" else _REFUSED)
        said = found.verdict(values, reason)
        if said.kind in {Kind.PASS, Kind.HOLD}:
            said = replace(said, edits=edits if found.silent else marked)
        return said, _DONE.get(said.kind, "none")


def _by_site(decided: Decided, done: str) -> Decided:
    """Something else than what is asked for is done, whatever the sender proves."""
    why = Reason("local_policy", f"for {decided.wanted} this site does {done}")
    return Decided(decided.wanted, decided.policy, (*decided.reasons, why))
