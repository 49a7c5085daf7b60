"""Every system call of a delivery fails once, and once the process is killed there: `make faults [ROUTE=local/two]`.

What breaks the law of `tests.faults.walk` is told call by call; then the exit status is 1. ``--part 1/20`` takes every
twentieth step, beginning with the first: in a minute it has seen something of all.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tests.faults.walk import FAULTS, Outcome, Step, Walk, make_place, routes

_BATCH = 20
_WORDS = {"y": "delivered", "n": "deferred", "killed": "killed"}


def main() -> None:
    """Walk, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--part", default="1/1", metavar="K/N", help="every Nth step, from the Kth on")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("route", nargs="*", default=[], help=f"of {', '.join(routes())}")
    given = parser.parse_args()
    first, every = map(int, given.part.split("/"))
    if not shutil.which("strace"):
        sys.exit("strace is needed")
    place = make_place()
    try:
        steps = [
            step for name in given.route or routes() for step in _steps(name, place)
        ]  # fmt: skip
        outcomes = list(_walk(steps[first - 1 :: every], place, given.jobs))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    sys.exit(_tell(outcomes))


def _steps(name: str, place: Path) -> list[Step]:
    walk = Walk(routes()[name], place)
    try:
        return walk.steps()
    finally:
        walk.close()


def _walk(steps: list[Step], place: Path, jobs: int) -> Iterator[Outcome]:
    batches: dict[str, list[list[Step]]] = {}
    for step in steps:
        mine = batches.setdefault(step.route, [[]])
        if len(mine[-1]) == _BATCH:
            mine.append([])
        mine[-1].append(step)
    done, interactive = 0, sys.stderr.isatty()
    with ProcessPoolExecutor(jobs) as pool:
        waiting = [pool.submit(_take, name, batch, place) for name, all_ in batches.items() for batch in all_]
        for future in as_completed(waiting):
            for outcome in future.result():
                yield outcome
                done += 1
            if interactive:
                bar = "#" * (40 * done // len(steps))
                print(f"\r[{bar:40}] {done}/{len(steps)} ", end="", file=sys.stderr, flush=True)
    if interactive:
        print(file=sys.stderr)


def _take(name: str, steps: list[Step], place: Path) -> list[Outcome]:
    walk = Walk(routes()[name], place)
    try:
        return [walk.take(step) for step in steps]
    finally:
        walk.close()


def _tell(outcomes: list[Outcome]) -> int:
    """Print it; 1 where the law was broken."""
    for fault in FAULTS:
        mine = [outcome for outcome in outcomes if outcome.step.fault == fault]
        ends = Counter(outcome.said for outcome in mine)
        told = ", ".join(f"{ends[said]} {_WORDS.get(said, said)}" for said in sorted(ends))
        early = sum(outcome.early for outcome in mine)
        resent = sum(outcome.resent > 0 for outcome in mine)
        print(f"{fault}: {len(mine)} steps, {told}; stored before that: {early}; sent on twice: {resent}")
    broken = [outcome for outcome in outcomes if outcome.violations]
    for outcome in broken:
        print(f"VIOLATION {outcome.step} ({outcome.said}): {'; '.join(outcome.violations)}")
    missed = [outcome for outcome in outcomes if not outcome.reached]
    for outcome in missed:
        print(f"not reached: {outcome.step}")
    print(f"{len(outcomes)} steps, {len(broken)} violations, {len(missed)} not reached")
    return 1 if broken else 0


if __name__ == "__main__":
    main()
