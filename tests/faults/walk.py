"""walk - every system call of a delivery fails once, and once the process is killed there.

After each: nothing damaged is seen by a reader; success means that all is there, once; and an attempt after that makes
it so, as does a third, which changes nothing. `Outcome` has what came of one fault.

Three programs deliver: `local`, which is what a thread of the engine does with a message; `client`, tamis-lda without
an engine; `client as root`, the same with the rights of root, which delivers in a process that has become the user. The
calls of the first are all taken, and those that the others make before, beside and after it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.faults import client, traced
from tests.faults.scenarios import SCENARIOS, Scenario, damage, deliver, prepare, redirects, wrong
from tests.faults.traced import KILLED, Call, Work
from tests.lda.home import Home

FAULTS = ("EIO", "ENOSPC", "EDQUOT", "EINTR", "KILL")
_TRIES = 5
"""A call that depends on time, such as the wait for a program, may not come in one run."""


@dataclass(frozen=True, slots=True)
class Route:
    """What is walked: a scenario, delivered by a program."""

    scenario: Scenario
    program: str = "local"

    def __str__(self) -> str:
        return f"{self.program}/{self.scenario.name}"

    def work(self, home: Home) -> Work:
        """One attempt."""
        if self.program == "local":
            return Work(partial(deliver, home, self.scenario))
        as_root = self.program == "client as root"
        config = client.configure(home, self.scenario, as_root=as_root)
        return client.work(home, config, as_root=as_root)


@dataclass(frozen=True, slots=True)
class Step:
    """One fault: *call*, which is the *at*th of the delivery, ends by it."""

    route: str
    at: int
    call: Call
    fault: str

    def __str__(self) -> str:
        return f"{self.route}: {self.fault} at call {self.at}, {self.call}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """said: of the attempt that was disturbed: y, n, b or KILLED. reached: whether it came to the call.

    early: its copies were there all the same though it had not said so. resent: messages that were sent on again."""

    step: Step
    said: str
    reached: bool
    violations: tuple[str, ...]
    early: bool = False
    resent: int = 0


def routes() -> dict[str, Route]:
    """All there are."""
    found = [Route(scenario) for scenario in SCENARIOS.values()]
    found += [Route(SCENARIOS[name], "client") for name in ("keep", "first")]
    if os.geteuid() == 0:
        found.append(Route(SCENARIOS["keep"], "client as root"))
    return {str(route): route for route in found}


def make_place() -> Path:
    """A directory for thousands of deliveries: not on a disk, if that can be."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    place = Path(tempfile.mkdtemp(prefix="tamis-faults-", dir=where))
    place.chmod(0o755)
    return place


class Walk:
    """Along one route, in a directory of its own."""

    def __init__(self, route: Route, place: Path) -> None:
        self._route = route
        self._scenario = route.scenario
        self._place = place / f"{os.getpid()}-{route.program}-{route.scenario.name}".replace(" ", "-")
        self._place.mkdir(exist_ok=True)
        self._warm()

    def _warm(self) -> None:
        """All that is imported or compiled at the first delivery; and the law holds where nothing fails."""
        home = prepare(self._scenario, self._place / "warm")
        assert deliver(home, self._scenario) == "y"
        assert not [*damage(home, self._scenario), *wrong(home, self._scenario)]

    def close(self) -> None:
        """Remove what was made."""
        shutil.rmtree(self._place, ignore_errors=True)

    def calls(self) -> list[Call]:
        """All that can be met exactly: of the *n*th of a name in a thread beside, an earlier thread must not have so
        many, for strace(1) counts in each."""
        home = prepare(self._scenario, self._place / "case")
        found = traced.record(self._route.work(home), self._place / "trace")
        met: dict[tuple[str, int], int] = {}
        for call in found:
            met.setdefault((call.name, call.number), call.who)
        return [call for call in found if met[call.name, call.number] == call.who]

    def steps(self) -> list[Step]:
        """Each call with each fault."""
        return [
            Step(str(self._route), at, call, fault)
            for at, call in enumerate(self.calls(), 1)
            for fault in FAULTS
        ]

    def take(self, step: Step) -> Outcome:
        """Disturb one delivery, and try again."""
        for _ in range(_TRIES):
            home = prepare(self._scenario, self._place / "case")
            work = self._route.work(home)
            said, reached = traced.disturb(work, step.call, step.fault, self._place / "trace")
            if reached:
                break
        said = _ending(said)
        found = [*damage(home, self._scenario)]
        early = said != "y" and not list(wrong(home, self._scenario))
        if said == "y":
            found += wrong(home, self._scenario)
        elif said not in ("n", KILLED):
            found.append(f"the message is bounced: {said}")
        for attempt in ("second", "third"):
            found += [f"{attempt} attempt: {problem}" for problem in self._again(work, home)]
        resent = max(0, redirects(home) - self._scenario.redirects)
        if resent and said == "y":
            found.append(f"success, and {resent} messages sent on too many")
        return Outcome(step, said, reached, tuple(found), early, resent)

    def _again(self, work: Work, home: Home) -> Iterator[str]:
        said = _ending(traced.run(work))
        if said != "y":
            yield f"not delivered but {said}"
        yield from damage(home, self._scenario)
        yield from wrong(home, self._scenario)


def _ending(said: str) -> str:
    return client.ENDS.get(said, said)
