"""explained - one request, and the part of each check in its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policyd.rehearsal.judge import Configuration, Judged, Rehearsal
from policyd.rehearsal.watched import Notes, watched
from tamis.dns import Resolver
from tamis.pipeline import Result
from tamis.registry import Configured
from tamis.store import Store


@dataclass(frozen=True, slots=True)
class Part:
    """What *configured* had to do with it. result: None where it was not asked, and *why* not."""

    configured: Configured
    notes: Notes
    result: Result | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """judged: None for a state that Postfix has not, which is answered DUNNO. score, tags: those of all checks."""

    now: float
    attributes: Mapping[str, str]
    judged: Judged | None
    parts: tuple[Part, ...]

    @property
    def reply(self) -> str:
        """The line that Postfix gets."""
        return self.judged.reply if self.judged else "action=DUNNO"


async def explained(
    configuration: Configuration, store: Store, dns: Resolver, now: float, attributes: Mapping[str, str]
) -> Told:
    """Judge *attributes* at the time *now* and look at the checks meanwhile."""
    checks, notes = watched(configuration.checks)
    judged = await Rehearsal(configuration, store, dns, lambda: now, checks).judge(attributes)
    results = {result.label: result for result in judged.decision.results} if judged else {}
    last = judged.decision.results[-1].label if results and judged else ""
    parts = tuple(
        Part(each, notes[each.label], results.get(each.label), _why(each, judged, last))
        for each in configuration.checks
    )
    return Told(now, attributes, judged, parts)


def _why(configured: Configured, judged: Judged | None, last: str) -> str:
    """Why it was not asked, if it was not."""
    if configured.mode == "off":
        return "it is off"
    if judged is None:
        return "no check is asked in this state"
    if judged.stage not in configured.check.stages:
        return f"it is asked at {', '.join(sorted(stage.value for stage in configured.check.stages)) or 'no stage'}"
    return f"{last} had decided"
