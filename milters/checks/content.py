"""content - the admin's own rules on header fields, texts, MIME structure and what earlier checks found.

    [milter.checks.content]

    [[milter.checks.content.rule]]
    name = "lottery"
    when = { header.subject = "/you (have )?won/", body = "/claim your prize/" }
    score = 4

    [[milter.checks.content.rule]]
    name = "scripts"
    when = { part.filename = "/\\\\.(exe|scr|js|vbs)$/" }
    action = "REJECT 5.7.1 Programs are not accepted here"

Rules are tried in their order. The first that has an action and whose conditions hold ends them; those with a score,
tags or fields alone add up, and the rules behind see it. There are no jumps. See `milters.rules.when`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

from milters.answers import values_of
from milters.aside import aside
from milters.rules.cost import Cost, cost_of
from milters.rules.rule import Made, Rule
from milters.rules.seen import Seen
from tamis.check import Services
from tamis.config.schema import option
from tamis.placeholders import filled
from tamis.transaction import Stage, Transaction
from tamis.verdict import MAX_REASON_CHARS, PASS, AddHeader, Kind, Verdict

MAX_RULES = 2000
MAX_ADDED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Its fields are its options: ``[milter.checks.content]``."""

    rule: tuple[Rule, ...] = option((), "the rules in their order")

    name: ClassVar[str] = "content"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.END_OF_MESSAGE})
    _made: tuple[Made, ...] = field(init=False, repr=False, compare=False)
    _cost: Cost = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_made", tuple(rule.made() for rule in self.rule))
        object.__setattr__(self, "_cost", cost_of(rule.when for rule in self.rule))

    def problems(self) -> Iterator[str]:
        """Contradictions among the rules; what is wrong in one alone is its own to say."""
        if not 0 < len(self.rule) <= MAX_RULES:
            yield f"rule: needs 1 to {MAX_RULES} rules, not {len(self.rule)}"
        names: set[str] = set()
        end = ""
        for n, rule in enumerate(self.rule):
            if rule.name in names:
                yield f"rule[{n}].name: {rule.name!r} is the name of an earlier rule"
            names.add(rule.name)
            if end:
                yield f"rule[{n}]: is never reached, for {end!r} has an action and no conditions"
            elif rule.action.strip() and rule.when.always:
                end = rule.name

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """What the rules come to."""
        if txn.message is None:
            return PASS
        return await aside(lambda: self._judged(txn), self._cost.of(txn.message))

    def _judged(self, txn: Transaction) -> Verdict:
        seen = Seen(txn, txn.findings.score, set(txn.findings.tags))
        held: list[Made] = []
        for rule in self._made:
            seen.go_on()
            if rule.holds(seen):
                held.append(rule)
                seen.score += rule.score
                seen.tags.update(rule.tags)
                if rule.act is not None:
                    break
        return _verdict(held, seen) if held else PASS


def _verdict(held: list[Made], seen: Seen) -> Verdict:
    """What the rules that held come to; the last of them may have an action."""
    last = held[-1]
    values = values_of(seen.txn) | {"score": f"{seen.score:g}", "tags": ",".join(sorted(seen.tags))}
    reason = last.name if last.act else ",".join(rule.name for rule in held)[:MAX_REASON_CHARS]
    verdict = last.act.verdict(values, reason) if last.act else Verdict(Kind.PASS, reason=reason)
    added = [
        AddHeader(name, filled(value, values | {"rule": rule.name}))
        for rule in held
        for name, value in rule.fields
    ]
    return replace(
        verdict,
        score=sum(rule.score for rule in held),
        tags=tuple(dict.fromkeys(tag for rule in held for tag in rule.tags)),
        edits=tuple(added[:MAX_ADDED]),
        final=last.allows,
    )
