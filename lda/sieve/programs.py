"""programs - what the commands have in common that call external programs: names, arguments, the question. Pure.

spec-bosch-sieve-extprograms sections 3, 4 and 8. Which programs there are and how they run is the host's business
(lda/programs.py): a script can only name one and hears what came of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from lda.sieve.language import Complaint
from lda.sieve.machine import Failure, Frame
from lda.sieve.plan import Question, Source
from lda.sieve.text import Text, Texts
from tamis.mail.message import Message

MAX_NAME_CHARS = 128
MAX_ARGUMENTS = 128
MAX_ARGUMENT_BYTES = 1024
_SHOWN_CHARS = 80
_STEPS = 1000
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f/\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NOT_IN_ARGUMENTS = re.compile(r"[\x00\r\n]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class RunProgram(Question):
    """Answer bytes: what the program has written; it ended well. False: it ended with another status than 0.

    None: there is none of that name. str: why it could not be run to its end. input: for it to read. output_bytes: so
    much of what it writes is wanted, the rest is thrown away; None: all of it, or it counts as failed."""

    command: Literal["filter", "execute"]
    program: str
    arguments: tuple[str, ...] = ()
    input: Message | str | None = field(default=None, repr=False)
    output_bytes: int | None = None


def problems(command: str, program: Text, arguments: Texts | None) -> Iterator[Complaint]:
    """What is wrong with the program's name and with the arguments that are constant."""
    name = program.value or ""
    if not is_program_name(name):
        yield Complaint(f"{command} command: invalid program name '{_shown(name)}'", program.node)
    if len(arguments or ()) > MAX_ARGUMENTS:
        yield Complaint(f"{command} command: more than {MAX_ARGUMENTS} arguments for a program")
    for text in arguments or ():
        if text.value is not None and not _is_argument(text.value):
            what = f"specified external program argument '{_shown(text.value)}' is invalid"
            yield Complaint(f"{command} command: {what}", text.node)


def is_program_name(name: str) -> bool:
    """Whether a program can be called so: never a path (section 3)."""
    return 0 < len(name) <= MAX_NAME_CHARS and not _NOT_IN_NAMES.search(name)


def _is_argument(text: str) -> bool:
    size = len(text.encode("utf-8", "surrogateescape"))
    return size <= MAX_ARGUMENT_BYTES and not _NOT_IN_ARGUMENTS.search(text)


def _shown(text: str) -> str:
    text = _CONTROL.sub("?", text)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."


def expanded(frame: Frame, command: str, arguments: Texts | None) -> tuple[str, ...]:
    """The arguments as they are now. Raises Failure for one that no program may get."""
    values = tuple(text(frame) for text in arguments or ())
    for value in values:
        if not _is_argument(value):
            what = f"specified external program argument '{_shown(value)}' is invalid"
            raise Failure(f"{command} action: {what}")
    return values


def call(frame: Frame, question: RunProgram, source: Source, *, strict: bool) -> bytes | None:
    """What the program has written; None: it did not end well.

    strict: a program that is missing, or did not come to an end by itself, is a Failure; else it is a remark."""
    frame.spend(_STEPS)
    answer = frame.ask(question)
    if isinstance(answer, bytes):
        return answer
    if answer is False:
        return None
    why = f"failed to execute program '{_shown(question.program)}': {answer}"
    if answer is None:
        why = f"program '{_shown(question.program)}' not found"
    if strict:
        raise Failure(f"{question.command} action: {why}")
    frame.warn(f"{question.command} action: {why}", source)
    return None
