"""shared - a pass that changes nothing, on several processors: each process takes every n-th message and counts.

The messages must not depend on each other: a script that asks `duplicate` runs in one process.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence

from lda import sieve
from lda.sift.tally import Tally

MIN_MESSAGES = 500
_DEPENDS = {"duplicate", "include"}

Pass = Callable[[int, int], Tally]
"""Counts every message whose number, divided by the second argument, leaves the first."""


def shares(scripts: Sequence[sieve.Script], messages: int) -> int:
    """How many processes are worth it."""
    if messages < MIN_MESSAGES or any(script.requires & _DEPENDS for script in scripts):
        return 1
    return min(len(os.sched_getaffinity(0)), 8, messages // (MIN_MESSAGES // 2))


def counted(run: Pass, parts: int) -> Tally:
    """The sum of all parts. Raises OSError where a process ends without a result."""
    children = [_started(run, part, parts) for part in range(1, parts)]
    results = []
    try:
        total = run(0, parts)
    finally:
        results = [_result(pid, fd) for pid, fd in children]
    for raw in results:
        if not raw:
            raise OSError(0, "a process that was to read messages has failed")
        total.merge(pickle.loads(raw))
    return total


def _started(run: Pass, part: int, parts: int) -> tuple[int, int]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    try:
        os.close(reader)
        with open(writer, "wb") as file:
            pickle.dump(run(part, parts), file)
        os._exit(0)
    finally:
        os._exit(1)


def _result(pid: int, fd: int) -> bytes:
    with open(fd, "rb") as file:
        raw = file.read()
    return raw if os.waitpid(pid, 0)[1] == 0 else b""
