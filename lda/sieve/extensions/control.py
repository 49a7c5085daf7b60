"""control - require, if, elsif, else, stop (RFC 5228 section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.compile import Code, Label
from lda.sieve.language import Command, Complaint, Test, strings, subtest
from lda.sieve.machine import END, Frame
from lda.sieve.scope import Scope, near, needs
from lda.sieve.text import Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Require(Command):
    """``require <capabilities: string-list>``"""

    capabilities: Texts = strings("capabilities", constant=True)

    name: ClassVar[str] = "require"
    heads: ClassVar[bool] = True

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        for text in self.capabilities:
            capability = text.value or ""
            if not scope.require(capability):
                hint = near(capability, scope.language.capabilities)
                yield Complaint(f"require command: unknown Sieve capability '{capability}'", text.node, hint)

    def emit(self, code: Code) -> None:
        """Nothing to do when the script runs."""


def report_lonely(commands: Iterable[Command], scope: Scope) -> None:
    """Complain about what *commands* require without the capabilities that it wants beside it."""
    for command in commands:
        for text in command.capabilities if isinstance(command, Require) else ():
            extension = scope.language.extensions.get(text.value or "")
            for wanted in extension.wants if extension is not None else ():
                if wanted not in scope.enabled:
                    problem = f"{text.value} extension cannot be used without {wanted} extension"
                    scope.report(Complaint(problem, text.node, needs(wanted)), text.node)


@dataclass(frozen=True, slots=True, kw_only=True)
class If(Command):
    """``if <test> <block>``"""

    test: Test = subtest()

    name: ClassVar[str] = "if"
    block: ClassVar[bool] = True

    def emit(self, code: Code) -> None:
        """Test, block, and a jump over the branches that follow; the end is placed when they are known."""
        end, other = code.chain or Label(), Label()
        code.unless(self, self.test, other)
        code.block(self.body)
        code.jump(self, end)
        code.place(other)
        code.chain = end


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsif(If):
    """``elsif <test> <block>``"""

    name: ClassVar[str] = "elsif"
    follows: ClassVar[frozenset[str]] = frozenset({"if", "elsif"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Else(Command):
    """``else <block>``"""

    name: ClassVar[str] = "else"
    block: ClassVar[bool] = True
    follows: ClassVar[frozenset[str]] = frozenset({"if", "elsif"})

    def emit(self, code: Code) -> None:
        code.block(self.body)
        code.close_chain()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(Command):
    """``stop``: end all processing, also of scripts that include this one."""

    name: ClassVar[str] = "stop"

    def emit(self, code: Code) -> None:
        code.operation(self, _stop)


def _stop(frame: Frame) -> int:
    return END
