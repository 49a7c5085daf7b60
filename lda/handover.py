"""handover - what gives the message to somebody else: redirects and programs, which cannot be taken back.

In the order of the plan. Before the first of them has the message a redirect that fails defers the delivery; after
it that would send the message twice. A program that fails never defers: it may fail for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lda import sieve
from lda.programs import Failed
from lda.sieve.extensions.pipe import ToProgram
from lda.sieve.terms import Terms
from tamis.errors import TempFail
from tamis.mail.message import Message


class Others(Protocol):
    """Who can get the message."""

    def redirect(self, address: str, message: Message | None, terms: Terms) -> str:
        """Send a copy; why it was not sent, "" if it was (`lda.forward`). Raises TempFail."""
        ...

    def pipe(self, action: ToProgram) -> None:
        """Have a program take the message. Raises `programs.Failed`."""
        ...


@dataclass(slots=True)
class Passed:
    """What became of it. actions, notes: as `execute.Done` has them.

    left: one has the message. lost: one has not got it that should. broken: a program has failed, and with it the
    script. tried: the programs that the script only tries and that have failed. withheld: a redirect that was to take
    the place of the implicit keep was not sent, as in a loop."""

    actions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left: bool = False
    lost: bool = False
    broken: bool = False
    withheld: bool = False
    tried: list[ToProgram] = field(default_factory=list)

    def keeps_after_all(self, plan: sieve.Plan) -> bool:
        """The implicit keep is due that only programs were to take the place of, and those have failed."""
        if not self.tried or plan.implicit_keep:
            return False
        others = (action for action in plan.actions if not any(action is tried for tried in self.tried))
        return not any(action.cancels_keep for action in others)


def pass_on(actions: Sequence[sieve.Action], others: Others) -> Passed:
    """Do those of *actions* that give the message away. TempFail only while nobody has it."""
    passed = Passed()
    for action in actions:
        match action:
            case sieve.Redirect():
                _redirect(action, others, passed)
            case ToProgram() if not passed.broken:
                _pipe(action, others, passed)
    return passed


def _redirect(action: sieve.Redirect, others: Others, passed: Passed) -> None:
    try:
        reason = others.redirect(action.address, action.message, action.terms)
    except TempFail as exc:
        if not (passed.left or passed.broken):
            raise
        passed.lost = True
        passed.notes.append(f"redirect to {action.address!r} failed: {exc.text}")
        return
    if reason:
        passed.withheld = passed.withheld or action.cancels_keep
        passed.actions.append(f"no redirect {action.address}: {reason}")
    else:
        passed.left = True
        passed.actions.append(f"redirect {action.address}")


def _pipe(action: ToProgram, others: Others, passed: Passed) -> None:
    try:
        others.pipe(action)
    except Failed as exc:
        passed.notes.append(f"failed to pipe message to program {action.program!r}: {exc}")
        if action.tries:
            passed.tried.append(action)
        else:
            passed.broken = True
    else:
        passed.left = True
        passed.actions.append(f"pipe {action.program}")
