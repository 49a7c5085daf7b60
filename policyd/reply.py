"""reply - the access(5) action that tells Postfix a verdict.

The words of each kind are `tamis.outcome.TABLE`'s; a `Worded` verdict brings an admin's own (see
`policyd.wording`). A pass is DUNNO and never OK: OK would jump over the restrictions that stand after us.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tamis.outcome import TABLE, clean, sentence
from tamis.transaction import Stage
from tamis.verdict import PASS, AddHeader, Kind, Verdict

DUNNO = TABLE[Kind.PASS].policy

# access(5): PREPEND comes too late once the content has been received; these two commands have no message.
NO_MESSAGE = frozenset({Stage.VRFY, Stage.ETRN})
NO_PREPEND = NO_MESSAGE | {Stage.END_OF_MESSAGE}

MAX_HEADER_BYTES = 900  # RFC 5322 section 2.1.1: a line holds 998; name and colon fit in the rest
_HEADER_NAME = re.compile(r"[!-9;-~]{1,76}")  # RFC 5322 section 2.2
_FOLD = re.compile(r"\s*[\r\n]+\s*")


@dataclass(frozen=True, slots=True)
class Worded(Verdict):
    """A verdict with the access(5) word by which it is told: ``450``, ``DEFER``, ``DEFER_IF_REJECT`` ...

    Hosts that do not speak access(5) read its kind."""

    word: str = ""


def policy_action(verdict: Verdict, stage: Stage) -> str:
    """One line of printable ASCII, fit for `protocol.encode`.

    HOLD and DISCARD where there is no message are DUNNO: Postfix would log a warning and ignore them."""
    if verdict is PASS:
        return DUNNO
    if verdict.kind is Kind.PASS:
        return _prepend(verdict, stage)
    word = verdict.word if isinstance(verdict, Worded) else TABLE[verdict.kind].policy
    if verdict.kind in {Kind.HOLD, Kind.DISCARD}:
        return DUNNO if stage in NO_MESSAGE else f"{word} {clean(verdict.text)}".strip()
    return f"{word} {sentence(verdict)}"


def _prepend(verdict: Verdict, stage: Stage) -> str:
    """The first header that a pass wants added: one reply carries one. What cannot be told is DUNNO."""
    if stage in NO_PREPEND:
        return DUNNO
    for edit in verdict.edits:
        if isinstance(edit, AddHeader) and _HEADER_NAME.fullmatch(edit.name):
            value = clean(_FOLD.sub(" ", edit.value), MAX_HEADER_BYTES).strip()
            return f"PREPEND {edit.name}: {value}"
    return DUNNO
