"""tally - what came out of a pass over a mailbox: counts by target, and on request a word about each message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from lda.sieve.diagnostics import printable
from lda.sift.fate import Fate
from lda.sift.mailbox import Stored
from tamis.mail.words import decode_words, unfold

MAX_ERRORS = 20
_MAX_SUBJECT = 60


@dataclass(frozen=True, slots=True)
class Detail:
    """One message: how it can be found, and its fate."""

    key: str
    sender: str
    subject: str
    flags: tuple[str, ...]
    fate: Fate


@dataclass(slots=True)
class Tally:
    """moved, copied, missing: by mailbox. reflagged: how many of those that stay get other flags. undone: by action.

    each: hears about every message."""

    each: Callable[[Detail], object] | None = None
    messages: int = 0
    stays: int = 0
    reflagged: int = 0
    edited: int = 0
    discarded: int = 0
    vanished: int = 0
    failed: int = 0
    interrupted: bool = False
    moved: Counter[str] = field(default_factory=Counter)
    copied: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    undone: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    def add(self, stored: Stored, fate: Fate) -> None:
        """Count one message."""
        self.messages += 1
        if fate.error is not None:
            self.unreadable(f"{stored.key}: {fate.error}")
        elif fate.missing:
            self.missing.update(fate.missing)
        else:
            self._count(stored, fate)
        if self.each is not None:
            fields = stored.message.headers
            sender, subject = _shown(fields.first("from")), _shown(fields.first("subject"))
            self.each(Detail(stored.key, sender, subject, stored.flags, fate))

    def unreadable(self, why: str) -> None:
        """A message could not be dealt with and is left alone."""
        self.failed += 1
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(why)

    def merge(self, other: Tally) -> None:
        """Add the counts of another pass."""
        for name in ("messages", "stays", "reflagged", "edited", "discarded", "vanished", "failed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("moved", "copied", "missing", "undone"):
            getattr(self, name).update(getattr(other, name))
        self.errors = [*self.errors, *other.errors][:MAX_ERRORS]
        self.interrupted = self.interrupted or other.interrupted

    def _count(self, stored: Stored, fate: Fate) -> None:
        targets = [target.mailbox for target in fate.copies]
        self.undone.update(fate.undone)
        if fate.discarded:
            self.discarded += 1
        elif fate.stays:
            self.stays += 1
            self.reflagged += changed(stored.flags, fate.flags)
            self.edited += fate.message is not None
            self.copied.update(targets)
        else:
            self.moved.update(targets[:1])
            self.copied.update(targets[1:])


def changed(before: tuple[str, ...], after: tuple[str, ...]) -> bool:
    """Whether these are other flags."""
    return before != after and {flag.lower() for flag in before} != {flag.lower() for flag in after}


def _shown(raw: bytes) -> str:
    text = printable(decode_words(unfold(raw))).strip()
    return text if len(text) <= _MAX_SUBJECT else text[: _MAX_SUBJECT - 3] + "..."
