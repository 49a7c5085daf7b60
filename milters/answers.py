"""answers - what a check says for a finding, as an option: nothing, a mark for the checks behind, an objection.

    spoofed = "reject"                                  # refused in the check's own words
    spoofed = "REJECT 5.7.1 {from_domain} is ours"      # refused in the admin's; DEFER likewise with 4.x.x
    spoofed = "HOLD looks like us"                      # kept in the queue for the admin
    spoofed = "score 2.5"                               # no objection, but later checks know; also "tag NAME"
    spoofed = "pass"                                    # no objection

Values in place of placeholders come from the remote side: they are cut and cleaned, and never stand where a status
code is read. Codes are the milter's: 451 for DEFER, 550 for REJECT.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from tamis.conditions.marks import mark
from tamis.config.units import Unfit
from tamis.outcome import TABLE, status_and_text
from tamis.placeholders import ENVELOPE, envelope, filled, misfilled, without
from tamis.transaction import Transaction
from tamis.verdict import Kind, Verdict

WORDS = "pass, defer, reject, hold, discard, score N, tag NAME, or DEFER, REJECT, HOLD with words of yours"
PLACEHOLDERS = (*ENVELOPE, "queue_id", "score")
MAX_ANSWER_CHARS = 400  # a reply line holds 512 octets with code, status and what the placeholders bring

_OBJECTIONS = {
    "REJECT": Kind.REJECT,
    "DEFER": Kind.DEFER,
    "HOLD": Kind.HOLD,
    "DISCARD": Kind.DISCARD,
}
_STATUS = {Kind.DEFER: "4.7.1", Kind.REJECT: "5.7.1"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said. score, tags: what is left for the checks behind where there is no objection."""

    kind: Kind = Kind.PASS
    status: str = ""
    text: str = ""
    score: float = 0.0
    tags: tuple[str, ...] = ()

    @property
    def silent(self) -> bool:
        """Whether it says nothing at all."""
        return self.kind is Kind.PASS and not (self.score or self.tags)

    def verdict(self, values: Mapping[str, str], reason: str) -> Verdict:
        """The verdict with *values* in place of the placeholders; *reason* stands in log and journal."""
        return Verdict(
            self.kind, self.status, filled(self.text, values), reason, score=self.score, tags=self.tags
        )


def answer(text: str, detail: str = "7.1", sentence: str = "Message refused") -> Answer:
    """From an option. A lone word is told with *sentence* and the status ``4.`` or ``5.`` and *detail* (``7.23``).

    Text that has `problems` becomes a refusal for now: it is never used, for the configuration does not load."""
    try:
        found = parsed(text)
    except Unfit:
        return Answer(Kind.DEFER, f"4.{detail}", sentence)
    if found.text or found.kind is Kind.PASS:
        return found
    status = found.status if text.strip().partition(" ")[2] else TABLE[found.kind].status[0] + f".{detail}"
    return Answer(found.kind, status if found.kind in _STATUS else "", sentence)


def parsed(text: str) -> Answer:
    """Take *text* apart. Raises Unfit, a sentence, for what is no answer."""
    if bad := [c for c in text if not " " <= c <= "~"]:
        raise Unfit(f"holds {bad[0]!r}; only printable ASCII can be sent")
    if len(text) > MAX_ANSWER_CHARS:
        raise Unfit(f"is longer than {MAX_ANSWER_CHARS} characters")
    if left := mark(text):
        score, tags = left
        return Answer(score=score, tags=tags)
    word, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    match word.upper():
        case "PASS" if not rest:
            return Answer()
        case "HOLD" | "DISCARD" as wanted:
            return Answer(_OBJECTIONS[wanted], text=rest)
        case "REJECT" | "DEFER" as wanted:
            return _refusal(_OBJECTIONS[wanted], rest)
    if re.fullmatch(r"[45]\d\d", word):
        wanted = "DEFER" if word[0] == "4" else "REJECT"
        raise Unfit(
            f"{word}: the code is the milter's own; write {wanted}, a status such as 5.7.1, and a sentence"
        )
    raise Unfit(f"{text!r} is none of {WORDS}")


def _refusal(kind: Kind, rest: str) -> Answer:
    status, text = status_and_text(rest)
    status = status or _STATUS[kind]
    if status[0] != _STATUS[kind][0]:
        raise Unfit(f"{status} does not fit {kind.value}")
    if rest and not re.search(r"[A-Za-z]", without(text)):
        raise Unfit("needs words of its own after the status")
    return Answer(kind, status, text)


def problems(key: str, text: str, placeholders: Collection[str] = PLACEHOLDERS) -> Iterator[str]:
    """What is wrong with the option *key*: one line for each fault."""
    try:
        found = parsed(text)
    except Unfit as exc:
        yield f"{key}: {exc}"
        return
    yield from (f"{key}: {sentence}" for sentence in misfilled(found.text, placeholders))


def values_of(txn: Transaction) -> dict[str, str]:
    """The values of `PLACEHOLDERS`."""
    return envelope(txn) | {"queue_id": txn.queue_id, "score": f"{txn.findings.score:g}"}
