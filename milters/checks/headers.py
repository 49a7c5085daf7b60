"""headers - adds, replaces and removes header fields by rule, and takes away what only we may have written.

    [milter.checks.headers]
    ours = ["X-Spam-*", "X-Virus-*"]          # whatever comes from outside under these names goes

    [[milter.checks.headers.rule]]
    name = "external"
    when = { sasl_username = "", client_address = "!10.0.0.0/8" }
    replace = ["Subject: [EXTERNAL] {value}"]
    add = ["X-Origin: {client_address}"]

Every rule whose conditions hold is carried out, in order; the conditions see the message as it was received. What a
rule replaces, the next one finds replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from milters.answers import values_of
from milters.aside import aside
from milters.rules.cost import Cost, cost_of
from milters.rules.fields import FieldRule, Fields, is_pattern, names_fitting
from milters.rules.seen import Seen
from tamis.check import Services
from tamis.clients import is_ours
from tamis.conditions.marks import word_problems
from tamis.config.schema import Network, option
from tamis.mail.message import Message
from tamis.transaction import Stage, Transaction
from tamis.verdict import MAX_REASON_CHARS, PASS, AddHeader, Kind, Verdict, reject

MAX_RULES = 500
MAX_EDITS = 200  # an MTA counts the fields anew for each


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """Its fields are its options: ``[milter.checks.headers]``."""

    ours: tuple[str, ...] = option(
        (), 'fields that only we write: they are removed from mail of others; "X-Spam-*" is all that begin so'
    )
    trusted_networks: tuple[Network, ...] = option((), "clients whose fields stay, beside logins")
    rule: tuple[FieldRule, ...] = option((), "the rules in their order")

    name: ClassVar[str] = "headers"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.END_OF_MESSAGE})
    _cost: Cost = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_cost", cost_of(rule.when for rule in self.rule))

    def problems(self) -> Iterator[str]:
        """Contradictions among the rules; what is wrong in one alone is its own to say."""
        if not self.ours and not self.rule:
            yield "rule: there is nothing to do; give ours or rules"
        if len(self.rule) > MAX_RULES:
            yield f"rule: takes {MAX_RULES} rules, not {len(self.rule)}"
        for text in self.ours:
            if not is_pattern(text):
                yield f"ours: {text!r} is no name of a field such as X-Spam-Status or X-Spam-*"
        names: set[str] = set()
        for n, rule in enumerate(self.rule):
            yield from word_problems(f"rule[{n}].name", rule.name)
            if rule.name in names:
                yield f"rule[{n}].name: {rule.name!r} is the name of an earlier rule"
            names.add(rule.name)

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """The edits of the rules that hold. A message with more fields to change than an MTA should be told of is
        refused."""
        if txn.message is None:
            return PASS
        return await aside(lambda: self._judged(txn), self._cost.of(txn.message))

    def _judged(self, txn: Transaction) -> Verdict:
        message = txn.message or Message(b"")
        seen = Seen(txn, txn.findings.score, set(txn.findings.tags))
        fields = Fields(message.headers, txn.findings.edits)
        if not is_ours(txn, self.trusted_networks):
            for name in names_fitting(self.ours, message.headers):
                fields.remove(name)
        values = values_of(txn) | {"tags": ",".join(sorted(seen.tags))}
        held: list[str] = []
        added: list[AddHeader] = []
        for rule in self.rule:
            seen.go_on()
            if rule.holds(seen):
                held.append(rule.name)
                added += rule.carry_out(fields, values | {"rule": rule.name})
        edits = (*fields.edits(), *added)
        if len(edits) > MAX_EDITS:
            return reject("5.7.1", "Too many header fields of the same name", "flood")
        return Verdict(Kind.PASS, reason=",".join(held)[:MAX_REASON_CHARS], edits=edits) if edits else PASS
