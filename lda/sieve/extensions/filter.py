"""vnd.dovecot.filter (spec-bosch-sieve-extprograms section 6): a program reads the message and writes the new one.

A command and a test. What comes after it sees the new message; replies and error handling stay with the one that was
received, and an action that was decided before keeps the message as it was then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from lda.sieve.language import Command, Complaint, Extension, Test, optional_strings, string
from lda.sieve.machine import Frame
from lda.sieve.programs import RunProgram, call, expanded, problems
from lda.sieve.scope import Scope
from lda.sieve.text import Text, Texts
from lda.sieve.view import MessageView
from tamis.mail.edit import newline_of
from tamis.mail.message import Message

_NAME: Final = "filter"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterCommand(Command):
    """``filter <program-name: string> [<arguments: string-list>]``"""

    program: Text = string("program-name", constant=True)
    arguments: Texts | None = optional_strings("arguments")

    name: ClassVar[str] = _NAME
    asks: ClassVar[bool] = True

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        return problems(_NAME, self.program, self.arguments)

    def act(self, frame: Frame) -> None:
        _run(self, frame, strict=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterTest(Test):
    """The same as a test: whether there is a new message."""

    program: Text = string("program-name", constant=True)
    arguments: Texts | None = optional_strings("arguments")

    name: ClassVar[str] = _NAME
    asks: ClassVar[bool] = True

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        return problems(_NAME, self.program, self.arguments)

    def holds(self, frame: Frame) -> bool:
        return _run(self, frame, strict=False)


def _run(item: FilterCommand | FilterTest, frame: Frame, *, strict: bool) -> bool:
    """Call the program; a message that is no message leaves everything as it is."""
    program = item.program.value or ""
    arguments = expanded(frame, _NAME, item.arguments)
    question = RunProgram(_NAME, program, arguments, frame.view.message)
    output = call(frame, question, item.source, strict=strict)
    if output is None:
        return False
    if not output.strip():
        frame.warn(f"filter action: program '{program}' has written no message", item.source)
        return False
    frame.spend(len(output) >> 6)
    message = Message(_with_newline(output, newline_of(frame.original)))
    frame.view = MessageView(message, frame.context.limits)
    return True


def _with_newline(raw: bytes, newline: bytes) -> bytes:
    """*raw* with the line ends that the message was received with, whatever the program writes."""
    raw = raw.replace(b"\r\n", b"\n")
    return raw if newline == b"\n" else raw.replace(b"\n", newline)


EXTENSION = Extension(capability="vnd.dovecot.filter", commands=(FilterCommand,), tests=(FilterTest,))
