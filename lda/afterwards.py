"""afterwards - once the message is safe: messages of our own, copies of them, and what is to be remembered.

Its failures are noted and change nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from lda import sieve
from lda.folders import BadMailbox
from lda.sieve.extensions.duplicate import Mark
from lda.sieve.letter import Letter, Send
from tamis.errors import PermFail, TempFail


class Others(Protocol):
    """Who has a part in it. All of it raises OSError, TempFail, PermFail."""

    def send(self, letter: Letter) -> None:
        """Send a message of our own. PermFail: the MTA will never take it."""
        ...

    def file(self, letter: Letter, copy: sieve.FileInto) -> None:
        """Store a copy of what was sent. Raises BadMailbox too."""
        ...

    def remember(self, key: str, keep_s: int) -> None:
        """Remember *key* from now on."""
        ...

    def once(self, key: str, keep_s: int, act: Callable[[], None]) -> bool:
        """Do *act* unless *key* is remembered, then remember it. False: it was remembered."""
        ...


@dataclass(slots=True)
class Told:
    """What became of it. actions, notes: as `execute.Done` has them."""

    actions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def finish(plan: sieve.Plan, others: Others) -> Told:
    """Send, file and remember. When the MTA has failed once it is not tried again: that takes time, and past the
    deadline the message, stored already, would be deferred."""
    told, works = Told(), True
    for action in plan.actions:
        try:
            match action:
                case Send() if works:
                    _send(action, others, told)
                case Send():
                    told.notes.append(f"{action.name} failed: not tried")
                case Mark():
                    others.remember(action.key, action.keep_s)
        except (TempFail, PermFail) as exc:
            works = works and isinstance(exc, PermFail)
            told.notes.append(f"{action.name} failed: {exc.text}")
        except OSError as exc:
            told.notes.append(f"{action.name} failed: {exc.strerror or exc}")
    return told


def _send(action: Send, others: Others, told: Told) -> None:
    """The letters of *action*, or a word about why there are none."""

    def send() -> None:
        for letter in action.letters:
            others.send(letter)
            told.actions.append(f"{action.name} {letter.recipient}")
        _file(action, others, told)

    if not action.letters:
        told.actions.append(f"no {action.name}: {action.declined}")
    elif not action.once:
        send()
    elif not others.once(action.once, action.keep_s, send):
        told.actions.append(f"no {action.name}: sent before")


def _file(action: Send, others: Others, told: Told) -> None:
    """The copy of what was sent, if one is wanted (RFC 8580); the letters differ only in whom they go to."""
    if action.fcc is None:
        return
    try:
        others.file(action.letters[0], action.fcc)
    except (BadMailbox, TempFail, PermFail, OSError) as exc:
        reason = exc.text if isinstance(exc, TempFail | PermFail) else str(exc)
        told.notes.append(f"{action.name}: no copy in {action.fcc.mailbox!r}: {reason}")
    else:
        told.actions.append(f"fcc {action.fcc.mailbox}")
