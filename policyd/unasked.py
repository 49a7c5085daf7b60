"""unasked - checks that wait for a question that Postfix never asks: told once, for nothing else shows it.

A limit that is charged at DATA counts nothing where main.cf names us in smtpd_recipient_restrictions alone. It judges
nothing: after a while and many requests it compares the stages of the checks with those that Postfix has asked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tamis.log import Log
from tamis.registry import Configured
from tamis.transaction import Stage

MANY = 500
AFTER_S = 600.0
LOOK_S = 60.0

# Where main.cf must name us.
LISTS: dict[Stage, str] = {
    Stage.CONNECT: "smtpd_client_restrictions, with smtpd_delay_reject = no",
    Stage.HELO: "smtpd_helo_restrictions, with smtpd_delay_reject = no",
    Stage.MAIL: "smtpd_sender_restrictions, with smtpd_delay_reject = no",
    Stage.RCPT: "smtpd_recipient_restrictions",
    Stage.DATA: "smtpd_data_restrictions",
    Stage.END_OF_MESSAGE: "smtpd_end_of_data_restrictions",
    Stage.VRFY: "smtpd_recipient_restrictions",
    Stage.ETRN: "smtpd_etrn_restrictions",
}


@dataclass(slots=True)
class Asked:
    """What this process has been asked: how often, and at which stages."""

    count: int = 0
    stages: set[Stage] = field(default_factory=set)
    _last: Stage | None = None

    def note(self, stage: Stage) -> None:
        """Once more. Told apart from the one before by identity, for this is done with every request."""
        self.count += 1
        if stage is not self._last:
            self._last = stage
            self.stages.add(stage)


def unasked(checks: Iterable[Configured], asked: Asked) -> Iterator[tuple[str, bool, str]]:
    """Label of a check, whether it was never asked at all, and what main.cf lacks for it."""
    for each in checks:
        stages = frozenset(each.check.stages)
        if missing := sorted(stages - asked.stages, key=list(Stage).index) if each.mode != "off" else []:
            yield each.label, stages.isdisjoint(asked.stages), "; ".join(LISTS[stage] for stage in missing)


async def tell_unasked(checks: Iterable[Configured], asked: Asked, log: Log) -> None:
    """Wait until enough was asked, then tell: a warning of those that are never asked, a line of the others."""
    begun = asked.count
    await asyncio.sleep(AFTER_S)
    while asked.count - begun < MANY:  # noqa: ASYNC110 - no request shall have more to do than to count
        await asyncio.sleep(LOOK_S)
    for label, never, lists in unasked(checks, asked):
        if never:
            log.warning("Postfix never asks this check", check=label, advice=f"name us in {lists}")
        else:
            log.info("Postfix does not ask this check everywhere", check=label, advice=f"name us in {lists}")
