"""reply - the access(5) action that tells Postfix a verdict.

The words of each kind are `tamis.outcome.TABLE`'s; a `Worded` verdict brings an admin's own (see
`policyd.wording`). A pass is DUNNO and never OK: OK would jump over the restrictions that stand after us.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tamis.outcome import TABLE, clean, sentence
from tamis.transaction import Stage
from tamis.verdict import PASS, AddHeader, Kind, PostfixAction, Verdict

DUNNO = TABLE[Kind.PASS].policy

# access(5): PREPEND comes too late once the content has been received; these two commands have no message.
NO_MESSAGE = frozenset({Stage.VRFY, Stage.ETRN})
NO_PREPEND = NO_MESSAGE | {Stage.END_OF_MESSAGE}

STEERING = frozenset({"FILTER", "REDIRECT", "BCC"})  # where a message goes

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
        return _passing(verdict, stage)
    word = verdict.word if isinstance(verdict, Worded) else TABLE[verdict.kind].policy
    if verdict.kind in {Kind.HOLD, Kind.DISCARD}:
        return DUNNO if stage in NO_MESSAGE else f"{word} {clean(verdict.text)}".strip()
    return f"{word} {sentence(verdict)}"


def _passing(verdict: Verdict, stage: Stage) -> str:
    """One of the things that a pass wants done, for one reply carries one: where the message goes, else a header, else
    a remark for the log. What cannot be told at *stage* is DUNNO."""
    actions = [edit for edit in verdict.edits if isinstance(edit, PostfixAction)]
    steering = [action for action in actions if action.word in STEERING and stage not in NO_MESSAGE]
    if steering:
        return _told(steering[0])
    if header := _prepend(verdict, stage):
        return header
    remarks = [action for action in actions if action.word not in STEERING]
    return _told(remarks[0]) if remarks else DUNNO


def _told(action: PostfixAction) -> str:
    return f"{action.word} {clean(_FOLD.sub(' ', action.text))}".strip()


def _prepend(verdict: Verdict, stage: Stage) -> str:
    """The first header; "" for none."""
    for edit in verdict.edits if stage not in NO_PREPEND else ():
        if isinstance(edit, AddHeader) and _HEADER_NAME.fullmatch(edit.name):
            value = clean(_FOLD.sub(" ", edit.value), MAX_HEADER_BYTES).strip()
            return f"PREPEND {edit.name}: {value}"
    return ""
