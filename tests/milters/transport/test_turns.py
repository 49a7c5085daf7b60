"""How many sessions pass on a body at once, and that nobody keeps a turn that he needs no more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from milters.session import CONTINUE, Answer, Session
from milters.transport.turns import AT_ONCE, Turns
from tamis.mail.message import Memory
from tamis.transaction import Stage

libmilter = pytest.importorskip("milters.transport.libmilter")


class Host:
    """A worker whose checks like everything."""

    def __init__(self) -> None:
        self.memory = Memory(1 << 20)
        self.waiting = threading.Event()
        self.turns = Turns(self.waiting.set)

    def opened(self) -> None:
        """Nobody counts."""

    def closed(self) -> None:
        """Nobody counts."""

    def asks(self, stage: Stage) -> bool:
        return stage is Stage.END_OF_MESSAGE

    def judge(self, stage: Stage, session: Session, recipient: str = "") -> Answer:
        return CONTINUE

    def end(self, session: Session) -> Answer:
        session.reset()
        return CONTINUE

    def aborted(self) -> None:
        """Nobody counts."""

    def defect(self, step: str, exc: BaseException, session: Session) -> None:
        raise AssertionError(step) from exc


class Context:
    """What libmilter hands to each callback of a session."""

    def __init__(self) -> None:
        self._own: Any = None

    def getpriv(self) -> Any:
        return self._own

    def setpriv(self, own: Any) -> None:
        self._own = own

    def setsymlist(self, step: int, macros: str) -> None:
        """It has all of them."""

    def getsymval(self, name: str) -> str:
        return ""


class Mta:
    """A session of an MTA's."""

    def __init__(self, steps: Any) -> None:
        self.steps = steps
        self.context = Context()
        steps.negotiate(self.context, [0x1FF, 0x1FFFFF, 0, 0])

    def begins_a_body(self) -> None:
        self.steps.mail(self.context, b"<a@example.org>")
        self.steps.header(self.context, "Subject", b" x")
        self.steps.end_of_header(self.context)
        self.steps.body(self.context, b"hello\r\n")


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def steps(host: Host) -> Any:
    return libmilter._Steps(host)


def free(host: Host) -> int:
    """How many turns nobody has; they are taken now."""
    count = 0
    while host.turns._free.acquire(blocking=False):
        count += 1
    return count


ENDS: dict[str, Callable[[Mta], None]] = {
    "is judged": lambda mta: mta.steps.end(mta.context),
    "is given up": lambda mta: mta.steps.abort(mta.context),
    "ends with its session": lambda mta: mta.steps.close(mta.context),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_a_message_has_one_turn_until_it(host: Host, steps: Any, end: Callable[[Mta], None]) -> None:
    mta = Mta(steps)
    mta.begins_a_body()
    mta.steps.end_of_header(mta.context)
    end(mta)
    assert free(host) == AT_ONCE
    mta = Mta(steps)
    for _ in range(AT_ONCE):
        host.turns.give()
    mta.begins_a_body()
    assert free(host) == AT_ONCE - 1


def test_the_next_one_waits_says_so_and_goes_on_when_another_ends(host: Host, steps: Any) -> None:
    first = [Mta(steps) for _ in range(AT_ONCE)]
    for mta in first:
        mta.begins_a_body()
    assert not host.waiting.is_set()
    late = Mta(steps)
    goes_on = threading.Thread(target=late.begins_a_body)
    goes_on.start()
    assert host.waiting.wait(30), "libmilter is told that a thread of its own waits"
    first[0].steps.end(first[0].context)
    goes_on.join(30)
    assert not goes_on.is_alive()
    for mta in (*first[1:], late):
        mta.steps.abort(mta.context)
    assert free(host) == AT_ONCE


def test_who_has_waited_long_enough_goes_on_without_a_turn() -> None:
    """An MTA that has stopped in the middle of a message must not stop the others."""
    turns = Turns(lambda: None, patience_s=0.01)
    taken = [turns.take() for _ in range(AT_ONCE + 1)]
    assert taken == [True] * AT_ONCE + [False]
