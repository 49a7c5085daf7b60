"""compile - checked statements to operations: a flat list with jumps, so that nothing recurses over blocks.

`Code` collects the operations of one script; a command adds its own through `Command.emit`. `Build` makes the
functions of tests; with a trace it wraps each of them, so that a script compiled for delivery pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from lda.sieve.language import Command, Item, Predicate, Test
from lda.sieve.machine import END, Frame, Operation, asking, resuming
from lda.sieve.match import Comparator, Match, Matcher, UnusableKey
from lda.sieve.plan import Source
from lda.sieve.scope import Scope
from lda.sieve.text import Texts
from lda.sieve.trace import stepping


@dataclass(frozen=True, slots=True)
class Build:
    """How functions are made. scope: what the script may use. traced: every test reports its result.

    once: the statement may ask, so no test is evaluated twice."""

    scope: Scope
    traced: bool = False
    once: bool = False

    def predicate(self, test: Test) -> Predicate:
        """The function that evaluates *test*."""
        holds = test.predicate(self)
        if self.traced:
            holds = _reporting(test, holds)
        return _once(holds) if self.once and not _inner(test) else holds

    def matcher(self, match: Match, comparator: Comparator, keys: Texts, *, captures: bool = True) -> Matcher:
        """The function that compares values with *keys*. captures False: this test never sets match variables."""
        matcher = match.type.matcher(comparator, keys, match.parameter, captures and self.scope.captures)
        return _comparing(match, comparator, keys, matcher) if self.traced else matcher


def _once(holds: Predicate) -> Predicate:
    return lambda frame: frame.once(holds)


def _reporting(test: Test, holds: Predicate) -> Predicate:
    def predicate(frame: Frame) -> bool:
        if frame.trace is None:
            return holds(frame)
        frame.trace.begin(test)
        result = holds(frame)
        frame.trace.end(test, result, frame)
        return result

    return predicate


def _comparing(match: Match, comparator: Comparator, keys: Texts, matcher: Matcher) -> Matcher:
    def compare(frame: Frame, values: Sequence[str | None]) -> bool:
        if frame.trace is None:
            return matcher(frame, values)
        expanded, captures = [key(frame) for key in keys], frame.captures
        result = matcher(frame, values)
        pair = _pair(match, comparator, values, expanded) if result and not match.type.counts else None
        left = () if frame.captures is captures else frame.captures
        frame.trace.compared(match, comparator, values, expanded, pair, left)
        return result

    return compare


def _pair(
    match: Match, comparator: Comparator, values: Sequence[str | None], keys: Sequence[str]
) -> tuple[str, str] | None:
    """The first value and key that match."""
    singles = []
    for key in keys:
        with suppress(UnusableKey):
            singles.append((key, match.type.single(comparator, key, match.parameter, False)))
    for value in values:
        for key, single in singles:
            if value is not None and single(value) is not None:
                return value, key
    return None


class Label:
    """A place in the code that is not known yet."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at = END


class Code:
    """The operations of one script while they are being made."""

    def __init__(self, build: Build) -> None:
        self.build = build
        self.operations: list[Operation] = []
        self.sources: list[Source] = []
        self.chain: Label | None = None
        """The end of the if that was emitted last, open until a command follows that is no branch of it."""
        self.exits: list[tuple[str, Label]] = []
        """The blocks around the next command that can be left early: a name, and the place behind it."""

    def block(self, commands: Sequence[Command]) -> None:
        """Emit *commands* in order."""
        outer, self.chain = self.chain, None
        for command in commands:
            if not command.follows:
                self.close_chain()
            command.emit(self)
        self.close_chain()
        self.chain = outer

    def close_chain(self) -> None:
        """The if before this place ends here."""
        if self.chain is not None:
            self.place(self.chain)
            self.chain = None

    def place(self, label: Label) -> None:
        """*label* is here."""
        label.at = len(self.operations)

    def operation(self, item: Item, operation: Operation, *, asks: bool = False) -> None:
        """Add a raw operation: it returns the index of the next one."""
        if self.build.traced:
            operation = stepping(item, operation)
        self._append(item, asking(operation) if asks else operation)

    def _append(self, item: Item, operation: Operation) -> None:
        self.operations.append(operation)
        self.sources.append(item.source)

    def step(self, item: Item, act: Callable[[Frame], None], *, told: bool = True) -> None:
        """Add something to do; the next operation follows. told False: it is no step of a trace."""
        following = len(self.operations) + 1

        def operation(frame: Frame) -> int:
            act(frame)
            return following

        asks = item.asks or any(tag.asks for tag in item.tags)
        if told:
            self.operation(item, operation, asks=asks)
        else:
            self._append(item, asking(operation) if asks else operation)

    def jump(self, item: Item, target: Label) -> None:
        """Go to *target*."""
        own = (
            isinstance(item, Command) and item.block
        )  # a block's jump is nothing that the script has written
        add = self._append if own else self.operation
        add(item, lambda frame: target.at)

    def unless(self, item: Item, test: Test, target: Label) -> None:
        """Go to *target* if *test* fails."""
        following = len(self.operations) + 1
        asks = _may_ask(test)
        holds = (replace(self.build, once=True) if asks else self.build).predicate(test)

        def branch(frame: Frame) -> int:
            return following if holds(frame) else target.at

        operation: Operation = stepping(item, branch) if self.build.traced else branch
        self._append(item, resuming(operation) if asks else operation)


def _may_ask(test: Test) -> bool:
    """*test*, its match type, or a test in it may put a question."""
    match = getattr(test, "match", None)
    if test.asks or (isinstance(match, Match) and match.type.asks):
        return True
    return any(map(_may_ask, _inner(test)))


def _inner(test: Test) -> Sequence[Test]:
    """The tests that *test* is made of."""
    inner = getattr(test, "tests", None) or getattr(test, "test", None) or ()
    return inner if isinstance(inner, tuple) else (inner,)


def compile_commands(
    commands: Sequence[Command], build: Build, name: str
) -> tuple[tuple[Operation, ...], tuple[Source, ...]]:
    """The operations of a whole script and where each comes from."""
    code = Code(build)
    code.block(commands)
    code.operations.append(Frame.leave)
    code.sources.append(Source(name))
    return tuple(code.operations), tuple(code.sources)
