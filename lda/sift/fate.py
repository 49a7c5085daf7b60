"""fate - what a script's plan means for a message that is stored already. Pure.

keep means: it stays. What only a delivery can do (redirect, reject, replies, notifications) is not done; a message that
only such an action took away from its mailbox stays. discard means what the user has said: by default it stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lda import sieve
from lda.sieve.diagnostics import Diagnostic
from lda.sieve.extensions.duplicate import Mark
from lda.sieve.letter import Send
from tamis.mail.message import Message


@dataclass(frozen=True, slots=True)
class Discarding:
    """What becomes of discarded messages. into: they are moved there. delete: they are deleted. Else they stay."""

    into: str = ""
    delete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A mailbox that gets a copy. message: the message as the script has changed it; None: as it is stored."""

    mailbox: str
    flags: tuple[str, ...]
    message: Message | None = None
    create: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """stays: in its mailbox, with *flags*, as *message* (None: unchanged). copies: where else it goes.

    discarded: the script says discard. undone: names of what is not done. marks: what `duplicate` remembers.
    missing: mailboxes that are not there; then nothing is done."""

    copies: tuple[Target, ...] = ()
    stays: bool = True
    flags: tuple[str, ...] = ()
    message: Message | None = None
    discarded: bool = False
    undone: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    error: Diagnostic | None = None


def canonical(mailbox: str) -> str:
    """*mailbox* as it is compared: the INBOX has one name in any case."""
    return "INBOX" if mailbox.upper() == "INBOX" else mailbox


def fate_of(
    plan: sieve.Plan, own: Callable[[str], bool], flags: tuple[str, ...], discarding: Discarding
) -> Fate:
    """The fate of a message with *flags*. own: whether a mailbox is the one in which the message is."""
    if plan.error is not None:
        return Fate(flags=flags, error=plan.error)
    if plan.implicit_keep and not plan.actions:
        return Fate(flags=plan.keep_flags, message=plan.keep_message)
    fate = Fate(stays=False, flags=flags)
    if plan.implicit_keep:
        fate = Fate(flags=plan.keep_flags, message=plan.keep_message)
    copies: dict[str, Target] = {}
    undone: list[str] = []
    for action in plan.actions:
        match action:
            case sieve.FileInto() if not own(action.mailbox):
                copies[action.mailbox] = Target(
                    mailbox=action.mailbox, flags=action.flags, message=action.message, create=action.create
                )
            case sieve.Store():
                fate = replace(fate, stays=True, flags=action.flags, message=action.message)
            case sieve.Discard() | Mark():
                pass
            case Send() if not action.letters:
                pass
            case _:
                undone.append(action.name)
    marks = tuple(action.key for action in plan.actions if isinstance(action, Mark))
    fate = replace(fate, copies=tuple(copies.values()), undone=tuple(undone), marks=marks)
    if fate.stays or fate.copies:
        return fate
    return _taken_away(plan, fate, discarding)


def _taken_away(plan: sieve.Plan, fate: Fate, discarding: Discarding) -> Fate:
    """The script neither keeps nor stores it."""
    discards = [action for action in plan.actions if isinstance(action, sieve.Discard)]
    others = [action for action in plan.actions if action.cancels_keep and action not in discards]
    if others or not discards:
        return replace(fate, stays=True)
    if discarding.into:
        target = Target(mailbox=discarding.into, flags=fate.flags)
        return replace(fate, discarded=True, copies=(target,))
    return replace(fate, discarded=True, stays=not discarding.delete)
