"""redirect-deliverby (RFC 6009 section 6): a time limit (RFC 2852) on redirect.

A limit in the past can be asked for with mode notify only: a host that is to return what it cannot deliver in time
refuses such a message (RFC 2852 section 4.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar

from lda.sieve import plan
from lda.sieve.extensions.actions import ActionTag
from lda.sieve.language import Complaint, Extension, Item, number, string
from lda.sieve.machine import Failure, Frame
from lda.sieve.scope import Scope
from lda.sieve.terms import MAX_BY_S, ByMode, Terms, seconds_left
from lda.sieve.text import Text

_MODES: dict[str, ByMode] = {"notify": "N", "return": "R"}
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:?[0-9]{2})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByTag(ActionTag):
    """What the tags share."""

    on: ClassVar[frozenset[str]] = frozenset({"redirect"})

    def modify(self, frame: Frame, action: plan.Action) -> plan.Action:
        assert isinstance(action, plan.Redirect)
        terms = self.applied(frame, action.terms)
        left_s = seconds_left(terms, frame.context.now)
        if left_s is not None and terms.by_mode == "R" and left_s <= 0:
            raise Failure("redirect action: the time by which the message was to be delivered has passed")
        if left_s is not None and abs(left_s) > MAX_BY_S:
            raise Failure("redirect action: the time by which the message is to be delivered is too far away")
        return replace(action, terms=terms)

    def applied(self, frame: Frame, terms: Terms) -> Terms:
        """*terms* as this tag wants them. Raises Failure."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativeTag(ByTag):
    """``:bytimerelative <rlimit: number>``: so many seconds from now."""

    limit_s: int = number("rlimit")

    name: ClassVar[str] = ":bytimerelative"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if self.limit_s > MAX_BY_S:
            yield Complaint(f":bytimerelative is at most {MAX_BY_S} seconds", self.node)

    def among(self, item: Item) -> Iterator[Complaint]:
        if any(isinstance(tag, AbsoluteTag) for tag in item.tags):
            yield Complaint("conflicting :bytimerelative and :bytimeabsolute arguments", self.node)
        returns = any(isinstance(tag, ModeTag) and tag.returns for tag in item.tags)
        if self.limit_s == 0 and returns:
            yield Complaint('with :bymode "return" a :bytimerelative of 0 cannot be met', self.node)

    def applied(self, frame: Frame, terms: Terms) -> Terms:
        return _limited(terms, frame.context.now + timedelta(seconds=self.limit_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsoluteTag(ByTag):
    """``:bytimeabsolute <alimit: string>``: a date-time of RFC 3339; the zone may be written without its colon."""

    limit: Text = string("alimit")

    name: ClassVar[str] = ":bytimeabsolute"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if self.limit.value is not None and moment_of(self.limit.value) is None:
            hint = "write it as 2025-12-24T18:00:00+01:00"
            yield Complaint(f"invalid :bytimeabsolute value '{self.limit.value}'", self.limit.node, hint)

    def applied(self, frame: Frame, terms: Terms) -> Terms:
        value = self.limit(frame)
        moment = moment_of(value)
        if moment is None:
            raise Failure(f"redirect action: invalid :bytimeabsolute value '{value}'")
        return _limited(terms, moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeTag(ByTag):
    """``:bymode <"notify" / "return">``: what is done with a message that is late."""

    mode: Text = string("by mode", constant=True)

    name: ClassVar[str] = ":bymode"

    @property
    def returns(self) -> bool:
        """It is sent back, not only reported."""
        return (self.mode.value or "").lower() == "return"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if (self.mode.value or "").lower() not in _MODES:
            yield Complaint(f"invalid :bymode value '{self.mode.value}'", self.mode.node, "notify or return")

    def among(self, item: Item) -> Iterator[Complaint]:
        return _needs_time(self, item)

    def applied(self, frame: Frame, terms: Terms) -> Terms:
        return replace(terms, by_mode=_MODES[(self.mode.value or "").lower()])


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceTag(ByTag):
    """``:bytrace``: each host on the way reports."""

    name: ClassVar[str] = ":bytrace"

    def among(self, item: Item) -> Iterator[Complaint]:
        return _needs_time(self, item)

    def applied(self, frame: Frame, terms: Terms) -> Terms:
        return replace(terms, by_trace=True)


def _limited(terms: Terms, deadline: datetime) -> Terms:
    """Without a mode, late messages are reported and go on: nothing is lost by that."""
    return replace(terms, deadline=deadline, by_mode=terms.by_mode or "N")


def _needs_time(tag: ByTag, item: Item) -> Iterator[Complaint]:
    if not any(isinstance(other, RelativeTag | AbsoluteTag) for other in item.tags):
        yield Complaint(f"{tag.name} needs :bytimerelative or :bytimeabsolute beside it", tag.node)


def moment_of(text: str) -> datetime | None:
    """A date-time of RFC 3339; None if *text* is none."""
    match = _MOMENT.fullmatch(text.strip())
    if match is None:
        return None
    zone = "+00:00" if match[3] in "Zz" else f"{match[3][:3]}:{match[3][-2:]}"
    try:
        return datetime.fromisoformat(f"{match[1]}T{match[2]}{zone}")
    except ValueError:
        return None


EXTENSION = Extension(capability="redirect-deliverby", tags=(RelativeTag, AbsoluteTag, ModeTag, TraceTag))
