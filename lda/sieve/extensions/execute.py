"""vnd.dovecot.execute (spec-bosch-sieve-extprograms section 7): call a program with a text or the message to read.

A command and a test. What the program writes can become the value of a variable, if it ends well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from lda.sieve.compile import Build, Code
from lda.sieve.extensions.variables import assignment
from lda.sieve.language import (
    Command,
    Complaint,
    Extension,
    Kind,
    Predicate,
    Test,
    flag,
    optional_strings,
    string,
    tagged,
)
from lda.sieve.machine import Frame
from lda.sieve.programs import RunProgram, call, expanded, problems
from lda.sieve.scope import Scope, needs
from lda.sieve.text import Text, Texts

_NAME: Final = "execute"
_INPUT = "input"
_LONGEST_CHARACTER = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecuteCommand(Command):
    """``execute [":input" <input-data: string> / ":pipe"] [":output" <varname: string>] <program-name: string>
    [<arguments: string-list>]``"""

    input: Text | None = tagged(":input", Kind.STRING, excludes=_INPUT)
    pipe: bool = flag(":pipe", excludes=_INPUT)
    output: Text | None = tagged(":output", Kind.STRING, constant=True)
    program: Text = string("program-name", constant=True)
    arguments: Texts | None = optional_strings("arguments")

    name: ClassVar[str] = _NAME
    asks: ClassVar[bool] = True

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        yield from problems(_NAME, self.program, self.arguments)
        yield from _output_problems(self.output, scope)

    def emit(self, code: Code) -> None:
        run = _runner(self, code.build.scope, strict=True)

        def act(frame: Frame) -> None:
            run(frame)

        code.step(self, act)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecuteTest(Test):
    """The same as a test: whether the program ended well."""

    input: Text | None = tagged(":input", Kind.STRING, excludes=_INPUT)
    pipe: bool = flag(":pipe", excludes=_INPUT)
    output: Text | None = tagged(":output", Kind.STRING, constant=True)
    program: Text = string("program-name", constant=True)
    arguments: Texts | None = optional_strings("arguments")

    name: ClassVar[str] = _NAME
    asks: ClassVar[bool] = True

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        yield from problems(_NAME, self.program, self.arguments)
        yield from _output_problems(self.output, scope)

    def predicate(self, build: Build) -> Predicate:
        return _runner(self, build.scope, strict=False)


def _output_problems(output: Text | None, scope: Scope) -> Iterator[Complaint]:
    if output is None:
        return
    if "variables" not in scope.enabled:
        text = "the :output tag for the execute command requires that the variables extension is active"
        yield Complaint(text, output.node, needs("variables"))
        return
    assign = assignment(output, scope)
    if isinstance(assign, Complaint):
        yield assign


def _runner(item: ExecuteCommand | ExecuteTest, scope: Scope, *, strict: bool) -> Predicate:
    """A function that calls the program, stores what it has written, and says whether it ended well."""
    assign = None if item.output is None else assignment(item.output, scope)
    assert not isinstance(assign, Complaint)

    def run(frame: Frame) -> bool:
        # A little more than a variable holds: it is then cut between characters.
        room = frame.context.limits.variable_bytes + _LONGEST_CHARACTER if assign else 0
        text = None if item.input is None else item.input(frame)
        question = RunProgram(
            _NAME,
            item.program.value or "",
            expanded(frame, _NAME, item.arguments),
            frame.view.message if item.pipe else text,
            room,
        )
        output = call(frame, question, item.source, strict=strict)
        if output is not None and assign is not None:
            assign(frame, output.decode("utf-8", "surrogateescape"))
        return output is not None

    return run


EXTENSION = Extension(capability="vnd.dovecot.execute", commands=(ExecuteCommand,), tests=(ExecuteTest,))
