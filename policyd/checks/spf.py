"""spf - who may send for a domain (RFC 7208): HELO and MAIL FROM, what each result means, and Received-SPF.

Both identities are asked at once, by a resolver that waits for no one else; what is not known after `timeout` is
temperror. Logins and own networks have nothing to prove. A message gets one Received-SPF, however many recipients
ask for it: at RCPT the store remembers which message has had its own.

It does not judge the header From: that is DMARC's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from policyd import answers
from policyd.answers import WORDS, Answer
from policyd.keys import digest
from tamis import metrics
from tamis.auth.received import NAME, received_spf
from tamis.auth.spf import Result, Scope, SpfResult, helo, mail_from
from tamis.check import Services
from tamis.clients import LOOPBACK, is_ours
from tamis.config.schema import Duration, Network, option
from tamis.errors import TempFail
from tamis.outcome import clean
from tamis.store import Window
from tamis.transaction import Stage, Transaction, domain_of
from tamis.verdict import PASS, AddHeader, Edit, Kind, Verdict

PLACEHOLDERS = (*answers.PLACEHOLDERS, "result", "domain", "explanation")
RESULTS: tuple[Result, ...] = ("fail", "softfail", "neutral", "none", "temperror", "permerror")

_STAGES = {"rcpt": Stage.RCPT, "data": Stage.DATA}
_ONE_MESSAGE = (Window(1, 3600.0),)  # longer than any session stays with one message

# RFC 7372 section 3.2: 7.23 validation failed, 7.24 validation error.
_DETAIL: dict[Result, tuple[str, str]] = {
    "fail": ("7.23", "{domain} does not let {client_address} send: {explanation}"),
    "softfail": ("7.23", "{domain} discourages mail from {client_address}"),
    "neutral": ("7.23", "{domain} does not say whether {client_address} may send"),
    "none": ("7.23", "{domain} does not say who may send"),
    "temperror": ("7.24", "The SPF record of {domain} cannot be looked up now"),
    "permerror": ("7.24", "The SPF record of {domain} has a mistake"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What each result of SPF means; pass is never an objection."""

    fail: str = option("reject", f"{WORDS}; may hold {{domain}} {{explanation}} {{result}}")
    softfail: str = option("pass", WORDS)
    neutral: str = option("pass", WORDS)
    none: str = option("pass", "the domain has no record: " + WORDS)
    temperror: str = option("pass", "DNS did not answer in time: " + WORDS)
    permerror: str = option("pass", "the record has a mistake: " + WORDS)

    _answers: dict[str, Answer] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        made = {result: answers.answer(getattr(self, result), *_DETAIL[result]) for result in RESULTS}
        object.__setattr__(self, "_answers", made)

    def problems(self) -> Iterator[str]:
        """Words that cannot be said."""
        for result in RESULTS:
            yield from answers.problems(result, getattr(self, result), (Stage.RCPT, Stage.DATA), PLACEHOLDERS)

    def of(self, result: Result) -> Answer:
        """What is said for *result*."""
        return self._answers.get(result, Answer(None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spf:
    """Its fields are its options: ``[policyd.checks.spf]``."""

    mail_from: Results = option(Results(), "what is said of the sender's domain")
    helo: Results = option(Results(), "what is said of the name at HELO")
    domains: dict[str, Results] = option(
        {}, 'other words for single domains, in both places: "example.org", or ".example.org" for all below'
    )
    header: bool = option(True, "add Received-SPF, once a message")
    stage: Literal["rcpt", "data"] = option(
        "rcpt", "rcpt refuses single recipients, data (smtpd_data_restrictions) the message"
    )
    trusted_networks: tuple[Network, ...] = option(LOOPBACK, "clients that are not asked, beside logins")
    timeout: Duration = option(
        Duration(3.0),
        "then the result is temperror; below [policyd] deadline",
        at_least=0.05,
        at_most=20,
    )

    name: ClassVar[str] = "spf"

    @property
    def stages(self) -> frozenset[Stage]:
        """The one that the option `stage` names."""
        return frozenset({_STAGES[self.stage]})

    def problems(self) -> Iterator[str]:
        """Names of domains that can never be met."""
        for domain in self.domains:
            if domain != domain.lower() or "@" in domain or domain.endswith("."):
                yield f"domains: {domain!r} must be a domain in small letters, without @ and last dot"

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """The first objection, HELO's before the sender's; else a pass, with the header where it is due."""
        if is_ours(txn, self.trusted_networks):
            return PASS
        facts = await self._facts(txn, services)
        passes: list[Verdict] = []
        for fact in facts:
            verdict = self._opinion(fact, txn)
            if verdict.kind is not Kind.PASS:
                return verdict
            passes.append(verdict)
        if not facts:
            return PASS
        header: list[Edit] = []
        if self.header and await self._first(txn, services):
            fact, receiver = facts[-1], services.hostname
            value = received_spf(fact, txn.client_address, txn.sender, txn.helo_name, receiver)
            header.append(AddHeader(NAME, value))
        return answers.together(passes, _reason(facts[-1]), *header)

    def _opinion(self, fact: SpfResult, txn: Transaction) -> Verdict:
        words = {"result": fact.result, "domain": fact.domain, "explanation": fact.explanation}
        return self._meaning(fact).of(fact.result).verdict(answers.values_of(txn) | words, _reason(fact))

    async def _facts(self, txn: Transaction, services: Services) -> list[SpfResult]:
        """HELO's, where a name was given, then the sender's, where there is one."""
        client, name, receiver = txn.client_address, txn.helo_name, services.hostname
        questions = []
        if name:
            question = helo(services.dns, client, name, receiver)
            questions.append(self._in_time(question, "helo", name))
        if txn.sender:
            question = mail_from(services.dns, client, txn.sender, name, receiver)
            questions.append(self._in_time(question, "mfrom", domain_of(txn.sender)))
        facts = await asyncio.gather(*questions)
        for fact in facts:
            metrics.count_spf(fact.result)
        return facts

    async def _in_time(
        self, question: Coroutine[Any, Any, SpfResult], scope: Scope, domain: str
    ) -> SpfResult:
        """The fact, or temperror: one slow domain leaves the other identity its result."""
        try:
            async with asyncio.timeout(self.timeout):
                return await question
        except TimeoutError:
            return SpfResult("temperror", scope, clean(domain.lower(), 255))

    def _meaning(self, fact: SpfResult) -> Results:
        """The words for its domain: its own, those of the nearest parent that has some, or everybody's."""
        if found := self.domains.get(fact.domain):
            return found
        labels = fact.domain.split(".")
        for n in range(len(labels) if self.domains else 0):
            if found := self.domains.get("." + ".".join(labels[n:])):
                return found
        return self.mail_from if fact.scope == "mfrom" else self.helo

    async def _first(self, txn: Transaction, services: Services) -> bool:
        """Whether the message has no Received-SPF of ours yet. A request that Postfix repeats is told the same."""
        if self.stage == "data" or not txn.instance:
            return True
        subject = f"spf:header:{digest(txn.instance, txn.client_address)}"
        once = "\n".join((txn.instance, txn.policy_context, txn.recipient))
        try:
            charge = await services.store.charge(subject, _ONE_MESSAGE, 1, services.clock(), once)
        except TempFail:
            return True  # a second header does less harm than none, and than a deferred message
        return charge.allowed


def _reason(fact: SpfResult) -> str:
    return f"{fact.scope}_{fact.result}"
