"""verdict - what a check thinks of a transaction, and the edits it wants. Pure data.

A verdict is an opinion; what a peer is told is made from it in `tamis.outcome`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tamis.auth.facts import Facts


MAX_REASON_CHARS = 200


class Kind(Enum):
    """The closed set of opinions, mildest first."""

    PASS = "pass"
    DISCARD = "discard"
    HOLD = "hold"
    DEFER = "defer"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class AddHeader:
    """Put a header field above all others (`at_top`) or below them."""

    name: str
    value: str
    at_top: bool = True


@dataclass(frozen=True, slots=True)
class RemoveHeader:
    """Remove the *occurrence*-th field (1 is the topmost) of that *name*."""

    name: str
    occurrence: int


@dataclass(frozen=True, slots=True)
class PostfixAction:
    """An access(5) action that lets the message go on: FILTER, REDIRECT, BCC, WARN, INFO. Only the policy protocol can
    say it; others do without."""

    word: str
    text: str


@dataclass(frozen=True, slots=True)
class ChangeHeader:
    """Give the *occurrence*-th field of that *name* (1 is the topmost) another value."""

    name: str
    occurrence: int
    value: str


@dataclass(frozen=True, slots=True)
class AddRecipient:
    """Deliver to *address* too, without brackets. silent: nobody hears whether that could be done."""

    address: str
    silent: bool = False


@dataclass(frozen=True, slots=True)
class RemoveRecipient:
    """Do not deliver to *address*, as it was given."""

    address: str


@dataclass(frozen=True, slots=True)
class ChangeSender:
    """Another envelope sender, without brackets; "" is the null sender."""

    address: str


@dataclass(frozen=True, slots=True)
class ReplaceBody:
    """Another body, lines ended by CRLF."""

    body: bytes = field(repr=False)


MilterEdit = (
    AddHeader | RemoveHeader | ChangeHeader | AddRecipient | RemoveRecipient | ChangeSender | ReplaceBody
)
Edit = MilterEdit | PostfixAction


@dataclass(frozen=True, slots=True)
class Verdict:
    """An opinion. *status* is an enhanced status code, *text* one sentence for the sender, *reason* a word for
    logs, metrics and the journal; a PASS and a HOLD may carry edits, the others lose theirs. *final*: a PASS
    after which no later check of the stage is asked. *score*, *tags* and *facts* (of `tamis.auth.facts`) are for
    later checks of the transaction (`tamis.transaction.Findings`); tags are the configuration's words, never
    remote ones."""

    kind: Kind
    status: str = ""
    text: str = ""
    reason: str = ""
    edits: tuple[Edit, ...] = ()
    final: bool = False
    score: float = 0.0
    tags: tuple[str, ...] = ()
    facts: Facts | None = None


PASS = Verdict(Kind.PASS)


def passed(*edits: Edit, reason: str = "", final: bool = False) -> Verdict:
    """No objection, with edits; *final* spares it the checks that would come after."""
    return Verdict(Kind.PASS, reason=reason, edits=edits, final=final)


def defer(status: str, text: str, reason: str = "") -> Verdict:
    """Ask the sender to come back later; *status* is 4.x.x."""
    return Verdict(Kind.DEFER, status, text, reason)


def reject(status: str, text: str, reason: str = "") -> Verdict:
    """Refuse for good; *status* is 5.x.x."""
    return Verdict(Kind.REJECT, status, text, reason)


def strictest(verdicts: Sequence[Verdict], edits: Iterable[Edit] = ()) -> Verdict:
    """One verdict of several findings: the words of the strictest, the scores, tags and *edits* of all."""
    worst = max(verdicts, key=lambda one: list(Kind).index(one.kind), default=PASS)
    reasons = dict.fromkeys(one.reason for one in verdicts if one.reason)
    tags = dict.fromkeys(tag for one in verdicts for tag in one.tags)
    reason = worst.reason if worst.kind is not Kind.PASS else ",".join(reasons)[:MAX_REASON_CHARS]
    return Verdict(
        worst.kind,
        worst.status,
        worst.text,
        reason,
        edits=(*(edit for one in verdicts for edit in one.edits), *edits),
        score=sum(one.score for one in verdicts),
        tags=tuple(tags),
    )
