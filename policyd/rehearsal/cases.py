"""cases - test files (``*.test.toml``): requests in their order, the time between them, and what must come of each.

    [[case]]
    name = "a stranger comes back"
    request = { client_address = "192.0.2.1", sender = "a@example.net", recipient = "b@example.org" }

    [[case.step]]
    action = "DEFER_IF_PERMIT 4.7.1"
    check = "greylist"

    [[case.step]]
    after = "10m"
    action = "DUNNO"

A case has an empty store and a clock of its own. What is not said is not compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from policyd.request import STAGES
from tamis.config.load import Loader, load
from tamis.config.schema import Duration, option

MAX_TIMES = 100_000
START = "2026-01-05T12:00:00Z"  # a Monday, far from the ends of hour, day, week and month
REQUEST = {
    "protocol_state": "RCPT",
    "protocol_name": "ESMTP",
    "client_name": "unknown",
    "reverse_client_name": "unknown",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request, or the same several times, and what must come of it each time."""

    request: dict[str, str] = option({}, "attributes by Postfix's names, beside those of the case")
    after: Duration = option(Duration(0.0), "the time since the step before", at_least=0)
    times: int = option(1, "ask so often", at_least=1, at_most=MAX_TIMES)
    action: str | None = option(
        None, "the answer: an access(5) action, or words that it begins with; * stands for anything"
    )
    check: str | None = option(None, "the label of the check that decided; empty: none objects")
    reason: str | None = option(None, "its reason")
    checks: dict[str, str] = option(
        {}, 'what single checks say, those in shadow mode too: "defer", "defer:new"; "-" if it is not asked'
    )
    score: float | None = option(None, "the sum of all scores")
    tags: tuple[str, ...] | None = option(None, "all tags, in any order")

    def problems(self) -> Iterator[str]:
        """What Postfix would never ask."""
        state = self.request.get("protocol_state", "RCPT")
        if state not in STAGES:
            yield f"request: protocol_state {state!r} is none of {', '.join(STAGES)}"
        for name, value in self.request.items():
            if "\n" in value or "\0" in value or not name or "=" in name:
                yield f"request: {name!r} cannot be sent: it is one line without NUL, and a name has no ="


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(Step):
    """One story. Without steps it is its own only step."""

    name: str = option("", "what it shows")
    zone: str = option("", "its DNS, instead of the file's")
    step: tuple[Step, ...] = option((), "what happens, in order")

    def problems(self) -> Iterator[str]:
        """What is missing, or said twice."""
        yield from Step.problems(self)
        if not self.name:
            yield "name: a case needs a name"
        alone = (self.action, self.check, self.reason, self.score, self.tags)
        if self.step and (self.checks or any(value is not None for value in alone)):
            yield "step: what is expected stands in the steps"

    @property
    def steps(self) -> tuple[Step, ...]:
        """What happens."""
        return self.step or (self,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """A test file. Paths are relative to it."""

    config: str = option("", "the configuration; empty: tamis.toml beside the file, else the usual one")
    zone: str = option("", "a zone file that stands in for DNS; without one no name exists")
    start: str = option(START, "the time at which each case begins")
    request: dict[str, str] = option({}, "attributes of every request")
    case: tuple[Case, ...] = option((), "the cases")

    def problems(self) -> Iterator[str]:
        """A time that is none; no cases."""
        try:
            self.start_s()
        except (ValueError, OverflowError):
            yield f"start: {self.start!r} is no time such as {START}"
        if not self.case:
            yield "case: there is none"

    def start_s(self) -> float:
        """Seconds since the epoch; without a zone it is UTC. Raises ValueError, OverflowError."""
        start = datetime.fromisoformat(self.start)
        return (start if start.tzinfo else start.replace(tzinfo=UTC)).timestamp()


def read_cases(path: Path) -> Cases:
    """Raises ConfigError with every mistake of the file."""

    def assemble(loader: Loader) -> Cases:
        return loader.build(Cases)

    return load(path, assemble)
