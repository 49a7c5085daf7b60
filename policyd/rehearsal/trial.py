"""trial - runs cases and says in what they differ from what is expected."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from policyd.rehearsal.cases import REQUEST, Case, Cases, Step
from policyd.rehearsal.judge import Configuration, Judged, Rehearsal
from tamis.dns import Resolver
from tamis.pipeline import Result
from tamis.store.memory import MemoryStore


@dataclass(frozen=True, slots=True)
class Difference:
    """*what* is not as expected."""

    what: str
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Failure:
    """The first request of a case whose answer was not as expected. number: of the step, from 1; time: of its times.

    trail: what each check said."""

    number: int
    time: int
    request: dict[str, str]
    differences: tuple[Difference, ...]
    trail: str


@dataclass(frozen=True, slots=True)
class Tried:
    """A case and what came of it; failure: None where all is as expected."""

    case: Case
    failure: Failure | None
    seconds: float


class _Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


async def tried(cases: Cases, case: Case, configuration: Configuration, dns: Resolver) -> Tried:
    """Run *case*, up to its first failure."""
    began = time.monotonic()
    clock = _Clock(cases.start_s())
    rehearsal = Rehearsal(configuration, MemoryStore(), dns, clock)
    labels = {each.label for each in configuration.checks}
    failure = None
    for number, step in enumerate(case.steps, 1):
        clock.now += step.after
        for n in range(1, step.times + 1):
            message = {
                "instance": f"{number}.{n}"
            }  # Postfix always names one: each request is another, unless told
            request = REQUEST | message | cases.request | case.request | step.request
            judged = await rehearsal.judge(request)
            assert judged is not None  # the state of each request was looked at
            if found := tuple(_differences(step, judged, labels)):
                failure = Failure(number, n, request, found, _trail(judged))
                return Tried(case, failure, time.monotonic() - began)
    return Tried(case, failure, time.monotonic() - began)


def _differences(step: Step, judged: Judged, labels: set[str]) -> Iterator[Difference]:
    decision, findings = judged.decision, judged.txn.findings
    action = judged.reply.removeprefix("action=")
    if step.action is not None and not _begins(action, step.action):
        yield Difference("action", step.action, action)
    if step.check is not None and decision.label != step.check:
        yield Difference("check", step.check or "none objects", decision.label or "none objects")
    if step.reason is not None and decision.verdict.reason != step.reason:
        yield Difference("reason", step.reason, decision.verdict.reason or "none")
    if step.score is not None and abs(findings.score - step.score) > 1e-6:
        yield Difference("score", f"{step.score:g}", f"{findings.score:g}")
    if step.tags is not None and findings.tags != set(step.tags):
        yield Difference(
            "tags", " ".join(sorted(step.tags)) or "none", " ".join(sorted(findings.tags)) or "none"
        )
    said = {result.label: result for result in decision.results}
    for label, expected in step.checks.items():
        if label not in labels:
            yield Difference(f"checks.{label}", expected, f"there is no [policyd.checks.{label}]")
            continue
        got = _word(said[label]) if label in said else "-"
        if expected not in {got, got.partition(":")[0]}:
            yield Difference(f"checks.{label}", expected, "it is not asked" if got == "-" else got)


def _begins(action: str, expected: str) -> bool:
    """Whether *expected*, in which * is anything, is *action* or whole words at its beginning."""
    pattern = ".*".join(map(re.escape, expected.split("*")))
    return re.fullmatch(rf"{pattern}(?: .*)?", action) is not None


def _word(result: Result) -> str:
    """``defer:new``."""
    reason = result.verdict.reason
    return f"{result.verdict.kind.value}:{reason}" if reason else result.verdict.kind.value


def _trail(judged: Judged) -> str:
    """``users=pass greylist=defer:new``."""
    return (
        " ".join(f"{result.label}={_word(result)}" for result in judged.decision.results)
        or "no check was asked"
    )
