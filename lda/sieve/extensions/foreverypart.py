"""foreverypart (RFC 5703 section 3): a loop over the MIME parts of the message, depth first, and break.

The first part is the message itself; an inner loop goes over the parts of the current part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve import ast
from lda.sieve.compile import Code, Label
from lda.sieve.language import Command, Complaint, Extension, Kind, tagged
from lda.sieve.machine import Frame
from lda.sieve.parts import Parts
from lda.sieve.scope import Scope
from lda.sieve.text import Text

MAX_LEVELS = 4
LOOP = "foreverypart"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForEveryPart(Command):
    """``foreverypart [":name" string] { ... }``"""

    label: Text | None = tagged(":name", Kind.STRING)

    name: ClassVar[str] = LOOP
    block: ClassVar[bool] = True

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if scope.enclosing.count(LOOP) >= MAX_LEVELS:
            yield Complaint(f"the nested {LOOP} loop exceeds the nesting limit (<= {MAX_LEVELS} levels)")

    def emit(self, code: Code) -> None:
        start, end = Label(), Label()
        level = sum(name.startswith(LOOP) for name, _ in code.exits)
        code.step(self, lambda frame: frame.state(Parts).enter(frame, level), told=False)
        code.place(start)
        following = len(code.operations) + 1

        def again(frame: Frame) -> int:
            more = frame.state(Parts).advance(frame, level)
            if frame.trace is not None:
                frame.trace.note(_place(frame) if more else "no more parts")
            return following if more else end.at

        code.operation(self, again)
        code.exits.append((_exit(self.label), end))
        code.block(self.body)
        code.exits.pop()
        code.jump(self, start)
        code.place(end)
        code.step(self, lambda frame: frame.state(Parts).leave(frame, level), told=False)


def _place(frame: Frame) -> str:
    """Where the loop is."""
    loop = frame.state(Parts).current(frame)
    return "" if loop is None else f"part {loop.index + 1} of {len(loop.parts)}: {loop.part.content_type}"


def _exit(label: Text | None) -> str:
    """What `Code.exits` calls the loop."""
    return LOOP if label is None else f"{LOOP} {label.node.value}"  # type: ignore[attr-defined]  # a string's node


@dataclass(frozen=True, slots=True, kw_only=True)
class Break(Command):
    """``break [":name" string]``: leave the loop around it, or the one of that name."""

    label: Text | None = tagged(":name", Kind.STRING)

    name: ClassVar[str] = "break"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        text = f"the break command is not placed inside a {LOOP} loop"
        if LOOP not in scope.enclosing:
            yield Complaint(text)
        elif self.label is not None:
            wanted = _exit(self.label).removeprefix(f"{LOOP} ")
            if wanted not in _labels(scope):
                yield Complaint(f"{text} named '{wanted}'", self.label.node)

    def emit(self, code: Code) -> None:
        wanted = _exit(self.label)
        for name, end in reversed(code.exits):
            if name == wanted or (self.label is None and name.startswith(LOOP)):
                code.jump(self, end)
                return


def _labels(scope: Scope) -> Iterator[str]:
    """The names of the loops around."""
    for node in scope.blocks:
        if isinstance(node, ast.Command) and node.name == LOOP:
            for tag, argument in zip(node.arguments, node.arguments[1:], strict=False):
                if isinstance(tag, ast.Tag) and tag.name == ":name" and isinstance(argument, ast.String):
                    yield argument.value


EXTENSION = Extension(capability=LOOP, commands=(ForEveryPart, Break))
