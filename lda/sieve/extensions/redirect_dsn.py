"""redirect-dsn (RFC 6009 section 4): ``:notify`` and ``:ret`` on redirect, parameters of RFC 3461 for the next hop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from lda.sieve import plan
from lda.sieve.extensions.actions import ActionTag
from lda.sieve.language import Complaint, Extension, string
from lda.sieve.machine import Failure, Frame
from lda.sieve.scope import Scope
from lda.sieve.terms import RETURNS, Terms, notify_of
from lda.sieve.text import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyTag(ActionTag):
    """``:notify <value: string>``: ``NEVER``, or of ``SUCCESS``, ``FAILURE``, ``DELAY`` some, with commas between."""

    value: Text = string("notify value")

    name: ClassVar[str] = ":notify"
    on: ClassVar[frozenset[str]] = frozenset({"redirect"})

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if self.value.value is not None and notify_of(self.value.value) is None:
            hint = "NEVER, or SUCCESS, FAILURE and DELAY with commas and no blanks between them"
            yield Complaint(f"invalid :notify value '{self.value.value}'", self.value.node, hint)

    def modify(self, frame: Frame, action: plan.Action) -> plan.Action:
        assert isinstance(action, plan.Redirect)
        value = self.value(frame)
        notify = notify_of(value)
        if notify is None:
            raise Failure(f"redirect action: invalid :notify value '{value}'")
        return replace(action, terms=replace(_known(frame, action), notify=notify))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetTag(ActionTag):
    """``:ret <value: string>``: how much of the message a notification holds, ``FULL`` or ``HDRS``."""

    value: Text = string("ret value")

    name: ClassVar[str] = ":ret"
    on: ClassVar[frozenset[str]] = frozenset({"redirect"})

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if self.value.value is not None and self.value.value.upper() not in RETURNS:
            yield Complaint(f"invalid :ret value '{self.value.value}'", self.value.node, "FULL or HDRS")

    def modify(self, frame: Frame, action: plan.Action) -> plan.Action:
        assert isinstance(action, plan.Redirect)
        value = self.value(frame)
        if value.upper() not in RETURNS:
            raise Failure(f"redirect action: invalid :ret value '{value}'")
        return replace(action, terms=replace(_known(frame, action), ret=value.upper()))


def _known(frame: Frame, action: plan.Redirect) -> Terms:
    """The sender, whom notifications go to, knows the message by the name that he gave it."""
    return replace(action.terms, envid=frame.envelope.terms.envid)


EXTENSION = Extension(capability="redirect-dsn", tags=(NotifyTag, RetTag))
