"""envelope-deliverby (RFC 6009 section 5): the sender's time limit (RFC 2852), as envelope parts, and ``:zone``.

Without a limit, and where the host was not told, the parts have no value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.diagnostics import Severity
from lda.sieve.extensions.date import DATE_PARTS, zone_of
from lda.sieve.extensions.envelope import EnvelopeExtension
from lda.sieve.language import Complaint, Item, Tag, string
from lda.sieve.machine import Frame
from lda.sieve.scope import Scope
from lda.sieve.terms import seconds_left
from lda.sieve.text import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneTag(Tag):
    """``:zone <time-zone: string>``: in which zone bytimeabsolute is written; without, in the local one."""

    zone: Text = string("time zone")

    name: ClassVar[str] = ":zone"
    on: ClassVar[frozenset[str]] = frozenset({"envelope"})

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if self.zone.value is not None and zone_of(self.zone.value) is None:
            text = f"invalid time zone '{self.zone.value}' is ignored"
            yield Complaint(text, self.zone.node, "write it as +0100 or -0430", Severity.WARNING)


def _absolute(frame: Frame, test: Item) -> tuple[str, ...]:
    """As the date part iso8601 of RFC 5260."""
    deadline = frame.envelope.terms.deadline
    if deadline is None:
        return ()
    tag = next((tag for tag in test.tags if isinstance(tag, ZoneTag)), None)
    zone = None if tag is None else zone_of(tag.zone(frame))
    return (DATE_PARTS["iso8601"](deadline.astimezone(zone or frame.context.now.tzinfo)),)


def _relative(frame: Frame, test: Item) -> tuple[str, ...]:
    """Seconds from now; after the deadline they have a minus sign."""
    left_s = seconds_left(frame.envelope.terms, frame.context.now)
    return () if left_s is None else (str(left_s),)


def _mode(frame: Frame, test: Item) -> tuple[str, ...]:
    """``N``: notify; ``R``: return."""
    mode = frame.envelope.terms.by_mode
    return (mode,) if mode else ()


def _trace(frame: Frame, test: Item) -> tuple[str, ...]:
    """``T`` if each host on the way was to report."""
    return ("T",) if frame.envelope.terms.by_trace else ()


EXTENSION = EnvelopeExtension(
    capability="envelope-deliverby",
    tags=(ZoneTag,),
    parts={
        "bytimeabsolute": _absolute,
        "bytimerelative": _relative,
        "bymode": _mode,
        "bytrace": _trace,
    },
)
