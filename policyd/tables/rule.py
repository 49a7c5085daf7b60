"""rule - what an entry of a table says: allow, no opinion, an objection in its own words, or a score or a tag for the
checks behind it.

An action is checked when the table is read. Digits alone mean PERMIT to Postfix and are refused; OK allows, which
to Postfix is DUNNO all the same: an OK of ours would jump over the restrictions behind us, the one against relaying
among them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from policyd import answers, wording
from policyd.answers import Answer
from policyd.tables.lines import BadLine
from policyd.wording import Wording
from tamis.transaction import Stage
from tamis.verdict import PASS, Verdict, passed

ALLOW = frozenset({"OK", "RELAY"})
NO_OPINION = "DUNNO"
MARKS = frozenset({"SCORE", "TAG"})
MAX_GROUPS = 99

_DIGITS = re.compile(r"[\d\s]+", re.ASCII)
_REFERENCE = re.compile(r"\$(?:\$|(\d{1,2})|\{(\d{1,2})\}|\((\d{1,2})\))")


@dataclass(frozen=True, slots=True)
class Rule:
    """An entry's action. place: ``file:line`` or the name of an option, for log and journal. wording: None with
    *allows* for an ally, None without for no opinion. left: a score or a tag. text: what stands there, where it is
    no action."""

    place: str
    wording: Wording | None = None
    allows: bool = False
    left: Answer | None = None
    text: str = ""

    def verdict(self, values: Mapping[str, str], groups: tuple[str, ...]) -> Verdict:
        """What it means for a transaction with these *values*; *groups*: what a regular expression captured."""
        if self.left is not None:
            return self.left.verdict(values, self.place)
        if self.wording is None:
            return passed(reason=self.place, final=True) if self.allows else PASS
        numbered = {str(n): group for n, group in enumerate(groups, 1)}
        return self.wording.verdict({**values, **numbered}, self.place)


@dataclass(frozen=True, slots=True)
class Author:
    """Makes rules for one table: *file* is its name, *stages* are those at which they will be told."""

    file: str
    stages: frozenset[Stage]

    def rule(self, line: int, action: str, groups: int = -1) -> Rule:
        """From the text of an action. groups: how many a regular expression captures, -1 where none stands.

        Raises BadLine."""
        place = f"{self.file}:{line}" if line else self.file
        word = action.split(maxsplit=1)[0].upper()
        if word in ALLOW:
            return Rule(place, allows=True)
        if word == NO_OPINION:
            return Rule(place)
        if word in MARKS:
            for sentence in answers.problems("", action, self.stages, ()):
                raise BadLine(f"{action!r} is no mark; write score 2.5 or tag NAME ({sentence.strip(': ')})")
            return Rule(place, left=answers.answer(action, "7.1", ""))
        if _DIGITS.fullmatch(action):
            raise BadLine(
                f"{action} is digits only, which Postfix takes for PERMIT: write OK, or add a sentence"
            )
        text = action if groups < 0 else _referenced(action, groups)
        numbers = tuple(str(n) for n in range(1, max(0, groups) + 1))
        if word in wording.OBJECTIONS and len(action.split()) == 1:
            text = f"{word} Access denied"
        for sentence in wording.problems(text, self.stages, (*answers.PLACEHOLDERS, *numbers)):
            raise BadLine(f"{action!r} {sentence}")
        return Rule(place, wording.parse(text))


@dataclass(frozen=True, slots=True)
class Words(Author):
    """For a table whose right sides are no actions but words, such as the logins of a sender."""

    def rule(self, line: int, action: str, groups: int = -1) -> Rule:
        """See `Author.rule`; the text, with placeholders for what a regular expression captures."""
        return Rule(f"{self.file}:{line}", text=action if groups < 0 else _referenced(action, groups))


def _referenced(action: str, groups: int) -> str:
    """``$1``, ``${1}`` and ``$(1)`` as placeholders. Raises BadLine for one that the expression does not have."""

    def placeholder(found: re.Match[str]) -> str:
        number = found[1] or found[2] or found[3]
        if number is None:
            return "$"
        if not 1 <= int(number) <= groups:
            raise BadLine(f"${number}: the expression captures {groups}")
        return f"{{{int(number)}}}"

    return _REFERENCE.sub(placeholder, action)
