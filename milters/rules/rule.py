"""rule - one rule of an admin: its conditions, and what it does where they hold."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from milters.answers import PLACEHOLDERS, Answer, parsed, problems
from milters.rules.seen import Seen
from milters.rules.when import When
from tamis.conditions.logic import Predicate
from tamis.conditions.marks import MAX_SCORE, word_problems
from tamis.config.schema import option, required
from tamis.config.units import Unfit
from tamis.placeholders import misfilled

FIELD_PLACEHOLDERS = (*PLACEHOLDERS, "rule", "tags")
MAX_FIELD_CHARS = 900  # RFC 5322 section 2.1.1: a line holds 998

_FIELD = re.compile(r"([!-9;-~]{1,76}):\s*([ -~]*)")
_NO_OPINION = "DUNNO"
_ALLOW = "OK"
_ACTIONS = "DEFER, REJECT, HOLD, DISCARD, DUNNO or OK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Its fields are its options: ``[[milter.checks.content.rule]]``."""

    name: str = required("stands in log and journal: letters, digits, - _ ., and no other rule's")
    when: When = option(When(), "conditions, all of which must hold; none: always")
    action: str = option(
        "",
        "ends the rules: REJECT or DEFER with status and text, HOLD with text, DISCARD, DUNNO (no opinion), OK (spared "
        "the checks behind); may hold {score}",
    )
    score: float = option(
        0.0, "added to the score that later rules and checks see", at_least=-MAX_SCORE, at_most=MAX_SCORE
    )
    tags: tuple[str, ...] = option((), "left for later rules and checks: letters, digits, - _ .")
    add: tuple[str, ...] = option(
        (), 'fields to add on top, "X-Looks-Like: {rule}"; may hold {score} {tags} {sender} ...'
    )

    def problems(self) -> Iterator[str]:
        """A name that is none, tags that are none, an action that is none, and a rule that does nothing."""
        yield from word_problems("name", self.name)
        yield from word_problems("tags", *self.tags)
        if not (self.action.strip() or self.score or self.tags or self.add):
            yield "action: the rule does nothing; give action, score, tags or add"
        yield from self._action_problems()
        for text in self.add:
            yield from field_problems("add", text, FIELD_PLACEHOLDERS)

    def _action_problems(self) -> Iterator[str]:
        word = self.action.strip().upper()
        if not word or word in {_ALLOW, _NO_OPINION}:
            return
        if word.partition(" ")[0] in {"PASS", "SCORE", "TAG"}:
            yield f"action: {self.action!r} is none of {_ACTIONS}; scores and tags are options of their own"
            return
        yield from problems("action", self.action)

    def made(self) -> Made:
        """Ready to be tried; fit for use if there are no problems."""
        word = self.action.strip().upper()
        act = None
        if word in {_ALLOW, _NO_OPINION}:
            act = Answer()
        elif word:
            try:
                act = parsed(self.action)
            except Unfit:
                act = None  # a problem, and the configuration does not load
        fields = tuple(made for text in self.add if (made := field_of(text)))
        return Made(
            self.name,
            self.when.conditions,
            self.score,
            self.tags,
            act,
            allows=word == _ALLOW,
            fields=fields,
        )


@dataclass(frozen=True, slots=True)
class Made:
    """A rule as it is tried. act: None where it does not end the rules; allows: OK. fields: name and value."""

    name: str
    conditions: tuple[Predicate[Seen], ...]
    score: float
    tags: tuple[str, ...]
    act: Answer | None
    allows: bool
    fields: tuple[tuple[str, str], ...]

    def holds(self, seen: Seen) -> bool:
        """Whether all conditions hold."""
        for condition in self.conditions:  # noqa: SIM110 - all() makes a generator for each rule
            if not condition(seen):
                return False
        return True


def field_of(text: str) -> tuple[str, str] | None:
    """Name and value of ``Name: value``; None if it is no field."""
    found = _FIELD.fullmatch(text.strip())
    return (found[1], found[2].strip()) if found else None


def field_problems(key: str, text: str, placeholders: Collection[str]) -> Iterator[str]:
    """What is wrong with a field to add: one line for each fault."""
    made = field_of(text)
    if made is None:
        yield f"{key}: {text!r} is no field such as X-Name: value, in printable ASCII"
        return
    if len(text) > MAX_FIELD_CHARS:
        yield f"{key}: is longer than {MAX_FIELD_CHARS} characters"
    yield from (f"{key}: {sentence}" for sentence in misfilled(made[1], placeholders))
