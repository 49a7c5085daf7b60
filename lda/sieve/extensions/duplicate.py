"""duplicate (RFC 7352): whether a message like this one has been here before.

The host remembers (`Seen`); what a run has looked for is remembered when all it decided has been done (`Mark`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve import plan
from lda.sieve.diagnostics import Severity
from lda.sieve.fields import name_warnings
from lda.sieve.language import Complaint, Extension, Kind, Test, flag, tagged
from lda.sieve.letter import digest
from lda.sieve.machine import Frame
from lda.sieve.scope import Scope
from lda.sieve.text import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateOptions:
    """How long a message is remembered, in seconds: if the script does not say, and at most."""

    default_period_s: int = 12 * 3600
    max_period_s: int = 2 * 86_400


@dataclass(frozen=True, slots=True)
class Seen(plan.Question):
    """Answer bool: *key* has been remembered for this user, and not too long ago."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark(plan.Action):
    """Remember *key* for `keep_s` seconds from now, once everything else has been done."""

    key: str
    keep_s: int
    cancels_keep: bool = False

    name: ClassVar[str] = "duplicate_mark"

    def same_as(self, other: plan.Action) -> bool:
        return isinstance(other, Mark) and other.key == self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate(Test):
    """``duplicate [":handle" string] [":header" string / ":uniqueid" string] [":seconds" number] [":last"]``"""

    handle: Text | None = tagged(":handle", Kind.STRING)
    header: Text | None = tagged(":header", Kind.STRING)
    unique: Text | None = tagged(":uniqueid", Kind.STRING)
    seconds: int | None = tagged(":seconds", Kind.NUMBER)
    last: bool = flag(":last")

    name: ClassVar[str] = "duplicate"
    asks: ClassVar[bool] = True

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if self.header is not None and self.unique is not None:
            yield Complaint("conflicting :header and :uniqueid arguments specified for the duplicate test")
        elif self.header is not None:
            yield from name_warnings((self.header,))
        if self.seconds is not None and self.seconds > DuplicateOptions().max_period_s:
            hint = "a site may remember for a shorter time"
            text = f"specified :seconds value '{self.seconds}' is over the usual maximum"
            yield Complaint(text, None, hint, Severity.WARNING)

    def holds(self, frame: Frame) -> bool:
        unique = self._unique(frame)
        if unique is None:
            return False
        handle = "" if self.handle is None else self.handle(frame)
        key = digest("duplicate", handle, unique)
        seen = frame.ask(Seen(key)) is True
        if not seen or self.last:
            options = frame.context.setting(DuplicateOptions)
            wanted_s = options.default_period_s if self.seconds is None else self.seconds
            frame.add(Mark(source=self.source, key=key, keep_s=min(wanted_s, options.max_period_s)))
        return seen

    def _unique(self, frame: Frame) -> str | None:
        """What tells this message from others; None: nothing does."""
        if self.unique is not None:
            return self.unique(frame)
        name = "message-id" if self.header is None else self.header(frame).lower()
        value = next((value.strip() for value in frame.view.fields.values(name)), None)
        return None if value == "" and self.header is None else value


EXTENSION = Extension(capability="duplicate", tests=(Duplicate,))
