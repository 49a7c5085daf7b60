"""replay - journalled requests before another configuration: what would have been decided.

Order and times are the journal's. What was decided then was decided with the store of that day, which nobody kept: a
configuration that remembers things (rate limits, greylisting) begins with the store that the caller gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from policyd.rehearsal.judge import Configuration, Rehearsal
from policyd.rehearsal.requests import journalled, whole
from tamis.dns import Resolver
from tamis.journal import Record
from tamis.pipeline import Decision
from tamis.store import Store


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was decided: the kind of the verdict, its status, by which check and why. check: "" where all passed."""

    kind: str
    status: str = ""
    check: str = ""
    reason: str = ""

    @classmethod
    def of(cls, decision: Decision) -> Outcome:
        """A decision of today."""
        verdict = decision.verdict
        return cls(verdict.kind.value, verdict.status, decision.label, verdict.reason)

    @classmethod
    def recorded(cls, record: Record) -> Outcome:
        """That of the journal."""
        return cls(*(record.text(name) for name in ("verdict", "status", "check", "reason")))

    def __str__(self) -> str:
        by = f" by {self.check}" if self.check else ""
        return f"{self.kind}{by}" + (f" ({self.reason})" if self.reason else "")


@dataclass(frozen=True, slots=True)
class Compared:
    """One request, what was decided and what would be. whole: the record has all attributes of the request."""

    record: Record
    before: Outcome
    after: Outcome
    whole: bool

    @property
    def changed(self) -> bool:
        """Whether the client would be told something else: another kind of answer, or another status code."""
        return (self.before.kind, self.before.status) != (self.after.kind, self.after.status)


@dataclass(slots=True)
class Totals:
    """What came of all requests. before, after: how often which check decided what; changes: from what to what."""

    requests: int = 0
    changed: int = 0
    otherwise: int = 0
    partial: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    before: Counter[tuple[str, str]] = field(default_factory=Counter)
    after: Counter[tuple[str, str]] = field(default_factory=Counter)
    changes: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def add(self, one: Compared) -> None:
        """Count *one*. otherwise: the same answer from another check, or for another reason."""
        self.requests += 1
        self.partial += not one.whole
        self.first_s = self.first_s or one.record.time_s
        self.last_s = one.record.time_s
        self.before[one.before.check, one.before.kind] += 1
        self.after[one.after.check, one.after.kind] += 1
        if one.changed:
            self.changed += 1
            self.changes[one.before.kind, one.after.kind, one.after.check or one.before.check] += 1
        elif one.before != one.after:
            self.otherwise += 1


class _Clock:
    """The time of the request."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def replayed(
    records: Iterable[Record],
    configuration: Configuration,
    store: Store,
    dns: Resolver,
    baseline: tuple[Configuration, Store] | None = None,
) -> AsyncIterator[Compared]:
    """Each policy request among *records* before *configuration*. With *baseline* what was decided is not the
    journal's, but what that configuration decides now, with a store of its own."""
    clock = _Clock()
    new = Rehearsal(configuration, store, dns, clock)
    old = Rehearsal(baseline[0], baseline[1], dns, clock) if baseline else None
    for record, attributes in journalled(records):
        clock.now = record.time_s
        after = await new.judge(attributes)
        before = await old.judge(attributes) if old else None
        assert after is not None  # journalled requests have a state that we know
        yield Compared(
            record,
            Outcome.of(before.decision) if before else Outcome.recorded(record),
            Outcome.of(after.decision),
            whole(attributes),
        )
