"""answers - what a check says for one of its findings, as an option: nothing, or an access(5) action.

    fail = "reject"                                      # REJECT in the check's own words
    softfail = "pass"                                    # no objection
    neutral = "score 1.5"                                # no objection, but later checks know: also "tag NAME"
    temperror = "450 4.7.24 {domain} cannot be asked"    # in the admin's words

`policyd.wording` knows what may be said and how remote values are made harmless.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from policyd import wording
from policyd.wording import OBJECTIONS, Wording
from tamis.conditions.marks import mark
from tamis.placeholders import ENVELOPE, envelope
from tamis.transaction import Stage, Transaction
from tamis.verdict import Edit, Kind, Verdict, strictest

PASSES = "pass"
WORDS = "pass, defer, reject, score N, tag NAME or an access(5) action"

# What every transaction can fill in; a check adds its own.
PLACEHOLDERS = (*ENVELOPE, "recipient")

_CLASS = {Kind.DEFER: "4", Kind.REJECT: "5"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said. wording: None for no objection. score, tags: what is left for the checks behind."""

    wording: Wording | None
    score: float = 0.0
    tags: tuple[str, ...] = ()

    @property
    def objects(self) -> bool:
        """Whether it keeps the message from going its way, marks it, or leaves something for later checks."""
        return self.wording is not None or bool(self.score or self.tags)

    def verdict(self, values: Mapping[str, str], reason: str) -> Verdict:
        """The verdict with *values* in place of the placeholders; *reason* stands in log and journal."""
        if self.wording is None:
            return Verdict(Kind.PASS, reason=reason, score=self.score, tags=self.tags)
        return self.wording.verdict(values, reason)


def answer(text: str, detail: str, sentence: str) -> Answer:
    """From an option. A lone word is told with *sentence* and the status ``4.`` or ``5.`` and *detail* (``7.23``).

    Text that has `problems` becomes a refusal for now: it is never used, for the configuration does not load."""
    word = text.strip()
    if word.lower() == PASSES:
        return Answer(None)
    if left := mark(word):
        return Answer(None, *left)
    if word.upper() in OBJECTIONS:
        kind = OBJECTIONS[word.upper()]
        status = f"{_CLASS[kind]}.{detail} " if kind in _CLASS else ""
        return Answer(wording.parse(f"{word} {status}{sentence}"))
    try:
        return Answer(wording.parse(text))
    except ValueError:
        return Answer(wording.parse(f"DEFER 4.{detail} {sentence}"))


def problems(key: str, text: str, stages: Collection[Stage], placeholders: Collection[str]) -> Iterator[str]:
    """What is wrong with the option *key*: one line for each fault."""
    word = text.strip()
    if word.lower() == PASSES or word.upper() in OBJECTIONS or mark(word):
        return
    for sentence in wording.problems(text, stages, placeholders):
        yield f"{key}: {sentence}"


def together(passes: Sequence[Verdict], reason: str, *edits: Edit) -> Verdict:
    """One pass of several, with more *edits*."""
    return replace(strictest(passes, edits), reason=reason)


def values_of(txn: Transaction) -> dict[str, str]:
    """The values of `PLACEHOLDERS`."""
    return envelope(txn) | {"recipient": txn.recipient}
