"""answers - what a check says for one of its findings, as an option: nothing, or an access(5) action.

    fail = "reject"                                      # REJECT in the check's own words
    softfail = "pass"                                    # no objection
    temperror = "450 4.7.24 {domain} cannot be asked"    # in the admin's words

`policyd.wording` knows what may be said and how remote values are made harmless.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from policyd import wording
from policyd.wording import OBJECTIONS, Wording
from tamis.transaction import Stage, Transaction
from tamis.verdict import Kind, Verdict, passed

PASSES = "pass"
WORDS = "pass, defer, reject or an access(5) action"

# What every transaction can fill in; a check adds its own.
PLACEHOLDERS = ("sender", "recipient", "client_address", "client_name", "helo_name", "sasl_username")

_CLASS = {Kind.DEFER: "4", Kind.REJECT: "5"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said. wording: None for no objection."""

    wording: Wording | None

    @property
    def objects(self) -> bool:
        """Whether it keeps the message from going its way, or marks it."""
        return self.wording is not None

    def verdict(self, values: Mapping[str, str], reason: str) -> Verdict:
        """The verdict with *values* in place of the placeholders; *reason* stands in log and journal."""
        return passed(reason=reason) if self.wording is None else self.wording.verdict(values, reason)


def answer(text: str, detail: str, sentence: str) -> Answer:
    """From an option. A lone word is told with *sentence* and the status ``4.`` or ``5.`` and *detail* (``7.23``).

    Text that has `problems` becomes a refusal for now: it is never used, for the configuration does not load."""
    word = text.strip()
    if word.lower() == PASSES:
        return Answer(None)
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
    if word.lower() == PASSES or word.upper() in OBJECTIONS:
        return
    for sentence in wording.problems(text, stages, placeholders):
        yield f"{key}: {sentence}"


def values_of(txn: Transaction) -> dict[str, str]:
    """The values of `PLACEHOLDERS`."""
    return {
        "sender": txn.sender or "<>",
        "recipient": txn.recipient,
        "client_address": txn.client_address,
        "client_name": txn.client_name,
        "helo_name": txn.helo_name,
        "sasl_username": txn.sasl_username,
    }
