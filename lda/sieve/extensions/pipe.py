"""vnd.dovecot.pipe (spec-bosch-sieve-extprograms section 5): a program takes the message; with ``:copy`` a copy of it.

Nothing runs here: the plan says which program gets the message as it is now, and the host runs it when it carries out
the plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve import plan
from lda.sieve.extensions.actions import ActionCommand, edited
from lda.sieve.language import Complaint, Extension, flag, optional_strings, string
from lda.sieve.machine import Frame
from lda.sieve.programs import expanded, problems
from lda.sieve.scope import Scope
from lda.sieve.text import Text, Texts
from tamis.mail.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class ToProgram(plan.Action):
    """The program gets the message. message: as commands have changed it; None: as received.

    tries: if it fails, all goes on as if it had never been asked for; else the message is kept as well. Either way a
    program that has failed takes the place of no keep."""

    program: str
    arguments: tuple[str, ...] = ()
    tries: bool = False
    message: Message | None = None

    name: ClassVar[str] = "pipe"
    delivers: ClassVar[bool] = True

    def conflict(self, other: plan.Action) -> str:
        if isinstance(other, ToProgram) and other.program == self.program:
            return (
                f'duplicate pipe "{self.program}" action not allowed '
                f"(previously triggered one was here: {other.source})"
            )
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipe(ActionCommand):
    """``pipe [":copy"] [":try"] <program-name: string> [<arguments: string-list>]``"""

    tries: bool = flag(":try")
    program: Text = string("program-name", constant=True)
    arguments: Texts | None = optional_strings("arguments")

    name: ClassVar[str] = "pipe"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        return problems(self.name, self.program, self.arguments)

    def act(self, frame: Frame) -> None:
        action = ToProgram(
            source=self.source,
            program=self.program.value or "",
            arguments=expanded(frame, self.name, self.arguments),
            tries=self.tries,
            message=edited(frame),
        )
        self.decide(frame, action)


EXTENSION = Extension(capability="vnd.dovecot.pipe", commands=(Pipe,))
