"""blocks - test and test_fail: where a test ends, and how a failure gets there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.compile import Code, Label
from lda.sieve.language import Command, Complaint, string
from lda.sieve.machine import END, Frame
from lda.sieve.parts import Parts
from lda.sieve.scope import Scope
from lda.sieve.testsuite.requests import TestBegins, TestEnds, TestFails
from lda.sieve.text import Text


@dataclass(slots=True)
class Running:
    """The test that runs. end: the place behind it."""

    end: Label | None = None


def fail(frame: Frame, reason: str) -> int:
    """The running test has failed: the operation behind it, also out of an included script; without a test the end."""
    goes_on = frame.ask(TestFails(reason)) is True
    end = frame.state(Running).end
    if not goes_on or end is None:
        return END
    while frame.depth:
        frame.leave()
    return end.at


@dataclass(frozen=True, slots=True, kw_only=True)
class TestBlock(Command):
    """``test <name: string> { ... }``"""

    title: Text = string("name")

    name: ClassVar[str] = "test"
    block: ClassVar[bool] = True
    asks: ClassVar[bool] = True

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if scope.enclosing:
            yield Complaint("tests cannot be nested: test command must be issued at top-level")

    def emit(self, code: Code) -> None:
        """A failure jumps to the end and leaves whatever loop it was in."""
        end = Label()

        def begin(frame: Frame) -> None:
            frame.ask(TestBegins(self.title(frame)))
            frame.state(Running).end = end

        def leave(frame: Frame) -> None:
            frame.state(Running).end = None
            frame.state(Parts).leave(frame, 0)

        code.step(self, begin)
        code.block(self.body)
        code.step(self, _succeed)
        code.place(end)
        code.step(self, leave)


def _succeed(frame: Frame) -> None:
    frame.ask(TestEnds())


@dataclass(frozen=True, slots=True, kw_only=True)
class TestFail(Command):
    """``test_fail <reason: string>``"""

    reason: Text = string("reason")

    name: ClassVar[str] = "test_fail"

    def emit(self, code: Code) -> None:
        code.operation(self, lambda frame: fail(frame, self.reason(frame)), asks=True)


COMMANDS = (TestBlock, TestFail)
