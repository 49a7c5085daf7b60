"""rule - one rule of an admin: its conditions, and what it does where they hold.

An action is checked when the configuration loads. OK spares a message the checks behind, and to Postfix it is DUNNO all
the same: an OK of ours would jump over the restrictions behind us, the one against relaying among them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from policyd import answers, wording
from policyd.rules.seen import Seen
from policyd.rules.texts import Predicate
from policyd.rules.when import When
from policyd.wording import Wording
from tamis.conditions.marks import MAX_SCORE, word_problems
from tamis.config.schema import option, required
from tamis.transaction import Stage
from tamis.verdict import Kind, Verdict

PLACEHOLDERS = (*answers.PLACEHOLDERS, "score")

_ALLOW = frozenset({"OK", "RELAY"})
_NO_OPINION = "DUNNO"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Its fields are its options: ``[[policyd.checks.rules.rule]]``."""

    name: str = required("stands in log and journal: letters, digits, - _ ., and no other rule's")
    when: When = option(When(), "conditions, all of which must hold; none: always")
    action: str = option(
        "",
        "an access(5) action, which ends the rules: REJECT, DEFER, DEFER_IF_PERMIT, DEFER_IF_REJECT, 4NN or 5NN with "
        "text, HOLD, DISCARD, FILTER, REDIRECT, BCC, PREPEND, WARN, INFO, DUNNO (no opinion), OK (spared the checks "
        "behind); may hold {score}",
    )
    score: float = option(
        0.0, "added to the score that later rules and checks see", at_least=-MAX_SCORE, at_most=MAX_SCORE
    )
    tags: tuple[str, ...] = option((), "left for later rules and checks: letters, digits, - _ .")

    def problems(self) -> Iterator[str]:
        """A name that is none, tags that are none, and a rule that does nothing."""
        yield from word_problems("name", self.name)
        yield from word_problems("tags", *self.tags)
        if not (self.action or self.score or self.tags):
            yield "action: the rule does nothing; give action, score or tags"

    def unsayable(self, stages: Collection[Stage]) -> Iterator[str]:
        """What is wrong with the action where the rule is asked at *stages*: one sentence each."""
        if self.action and self.action.strip().upper() not in {*_ALLOW, _NO_OPINION}:
            yield from wording.problems(self.action, stages, PLACEHOLDERS)

    def made(self) -> Made:
        """Ready to be tried; fit for use if there are no problems."""
        return Made(
            self.name, self.when.conditions, self.score, frozenset(self.tags), _act(self.action.strip())
        )


@dataclass(frozen=True, slots=True)
class Made:
    """A rule as it is tried."""

    name: str
    conditions: tuple[Predicate, ...]
    score: float
    tags: frozenset[str]
    act: Act | None


@dataclass(frozen=True, slots=True)
class Act:
    """An action. wording: None for OK (*allows*) and for DUNNO."""

    wording: Wording | None
    allows: bool = False

    def verdict(self, seen: Seen, name: str) -> Verdict:
        """What the pipeline is told; *name* is the reason."""
        if self.wording is None:
            return Verdict(Kind.PASS, reason=name, final=self.allows)
        return self.wording.verdict(answers.values_of(seen.txn) | {"score": f"{seen.score:g}"}, name)


def _act(action: str) -> Act | None:
    word = action.upper()
    if not action or re.fullmatch(r"[\d\s]+", action, re.ASCII):
        return None
    if word in _ALLOW or word == _NO_OPINION:
        return Act(None, allows=word in _ALLOW)
    try:
        return Act(wording.parse(action))
    except ValueError:
        return None  # a problem, and the configuration does not load
