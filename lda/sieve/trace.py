"""trace - what happened in one run, statement by statement: the raw material of `tamis sieve explain`.

Filled only by scripts that were compiled with tracing. `steps` are the commands that have run, in order; `entries`
are the tests and decisions of all steps, flat and in order (`depth` nests tests); a step says where its own begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lda.sieve import ast
from lda.sieve.plan import Action, Answer, Question, Source

if TYPE_CHECKING:
    from lda.sieve.language import Item, Test
    from lda.sieve.machine import Frame, Operation
    from lda.sieve.match import Comparator, Match

MAX_ENTRIES = 10_000
MAX_STEPS = 10_000


@dataclass(slots=True)
class Evaluation:
    """One evaluated test. match, comparator, values, keys: what was compared and how; values None: it compares nothing.

    pair: the value and key that matched. captures: what it left in ``${0}``, ``${1}``... asked: questions to the host
    and its answers. facts: what it looked at, of tests that compare nothing. result: None if it was interrupted."""

    name: str
    source: Source
    depth: int
    match: str = ""
    values: tuple[str | None, ...] | None = None
    keys: tuple[str, ...] = ()
    pair: tuple[str, str] | None = None
    result: bool | None = None
    comparator: str = ""
    captures: tuple[str, ...] = ()
    asked: list[tuple[Question, Answer]] = field(default_factory=list)
    facts: tuple[tuple[str, str], ...] = ()
    node: ast.Node | None = None


@dataclass(slots=True)
class Decision:
    """One action that a command decided on."""

    action: Action


@dataclass(slots=True)
class Step:
    """One command that has run. level: how many scripts wait for its own to end. first: where in `Trace.entries` its
    own begin.

    asked: what its command, not one of its tests, has asked the host, and the answers. variables: what it assigned.
    flags: the internal variable of imap4flags, if it changed. note: what else happened.
    edited: it changed the message. done: False if the command failed."""

    name: str
    source: Source
    level: int
    first: int
    node: ast.Node
    asked: list[tuple[Question, Answer]] = field(default_factory=list)
    variables: list[tuple[str, str]] = field(default_factory=list)
    flags: tuple[str, ...] | None = None
    note: str = ""
    edited: bool = False
    done: bool = False


@dataclass(slots=True)
class Trace:
    """The steps and entries of one run, at most `MAX_STEPS` and `MAX_ENTRIES`. cut: there were more."""

    entries: list[Evaluation | Decision] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    cut: bool = False
    _open: list[Evaluation] = field(default_factory=list)

    # -- commands

    def step(self, item: Item, level: int) -> Step:
        """*item* is being run."""
        self._open.clear()
        if self.steps and not self.steps[-1].done:
            self.steps.pop()  # it has put a question and runs again
        step = Step(item.name, item.source, level, len(self.entries), item.node)
        if len(self.steps) < MAX_STEPS:
            self.steps.append(step)
        else:
            self.cut = True
        return step

    def note(self, text: str) -> None:
        """Something to say about the running command."""
        if self.steps and not self.steps[-1].done:
            self.steps[-1].note = text

    def assigned(self, name: str, value: str) -> None:
        """The running command has set the variable *name*."""
        if self.steps and not self.steps[-1].done:
            self.steps[-1].variables.append((name, value))

    def action(self, action: Action) -> None:
        """A command decided on *action*."""
        self._enter(Decision(action))

    # -- tests

    def begin(self, test: Test) -> None:
        """*test* is being evaluated."""
        entry = Evaluation(test.name, test.source, len(self._open), node=test.node)
        self._open.append(entry)
        self._enter(entry)

    def compared(
        self,
        match: Match,
        comparator: Comparator,
        values: Sequence[str | None],
        keys: Sequence[str],
        pair: tuple[str, str] | None,
        captures: tuple[str, ...],
    ) -> None:
        """The innermost test has compared *values* with *keys*; *pair* matched first and left *captures*."""
        if self._open:
            entry = self._open[-1]
            entry.match = f"{match.type.tag} {match.parameter}".rstrip()
            entry.comparator = comparator.name
            entry.values, entry.keys, entry.pair = tuple(values), tuple(keys), pair
            entry.captures = captures

    def answered(self, question: Question, answer: Answer) -> None:
        """The host has answered *question* of the innermost test, or of the running command."""
        if self._open:
            self._open[-1].asked.append((question, answer))
        elif self.steps and not self.steps[-1].done:
            self.steps[-1].asked.append((question, answer))

    def end(self, test: Test, result: bool, frame: Frame) -> None:
        """*test* gave *result*."""
        entry = self._open.pop()
        entry.result = result
        entry.facts = tuple(test.facts(frame))

    def _enter(self, entry: Evaluation | Decision) -> None:
        if len(self.entries) < MAX_ENTRIES:
            self.entries.append(entry)
        else:
            self.cut = True

    # -- for the machine

    def mark(self) -> int:
        """Where an operation begins, for `rewind`."""
        return len(self.entries)

    def rewind(self, mark: int) -> None:
        """Forget what an operation has reported that will run again."""
        del self.entries[mark:]
        self._open.clear()


def stepping(item: Item, operation: Operation) -> Operation:
    """*operation* of the command *item*, which reports that it runs and what it has changed."""

    def observed(frame: Frame) -> int:
        trace = frame.trace
        if trace is None:
            return operation(frame)
        step = trace.step(item, frame.depth)
        flags, message = frame.flags, frame.view.message
        following = operation(frame)
        step.flags = None if frame.flags == flags else frame.flags
        step.edited = frame.view.message is not message
        step.done = True
        return following

    return observed
