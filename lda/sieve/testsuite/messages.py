"""messages - test_message, which is a command and a test: what was sent or stored becomes the current message."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.compile import Code
from lda.sieve.language import Command, Complaint, Kind, Test, flag, number, tagged
from lda.sieve.machine import Frame
from lda.sieve.scope import Scope
from lda.sieve.testsuite.blocks import fail
from lda.sieve.testsuite.requests import LoadMessage
from lda.sieve.text import Text

_PLACE = "place"
_NAME = "test_message"


def _problems(smtp: bool, folder: Text | None, subject: str) -> Iterator[Complaint]:
    if not smtp and folder is None:
        yield Complaint(f"{subject} requires either the :smtp or the :folder tag to be specified")


def _load(frame: Frame, folder: Text | None, index: int) -> bool:
    return frame.ask(LoadMessage(None if folder is None else folder(frame), index)) is True


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageCommand(Command):
    """``test_message ( :smtp / :folder <mailbox: string> ) <index: number>``: the test fails if it is not there."""

    smtp: bool = flag(":smtp", excludes=_PLACE)
    folder: Text | None = tagged(":folder", Kind.STRING, excludes=_PLACE)
    index: int = number("index")

    name: ClassVar[str] = _NAME

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        return _problems(self.smtp, self.folder, self.subject)

    def emit(self, code: Code) -> None:
        following = len(code.operations) + 1

        def operation(frame: Frame) -> int:
            if _load(frame, self.folder, self.index):
                return following
            where = "that were sent" if self.folder is None else f"in the mailbox '{self.folder(frame)}'"
            return fail(frame, f"there is no message {self.index} among those {where}")

        code.operation(self, operation, asks=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTest(Test):
    """The same as a test: whether it is there."""

    smtp: bool = flag(":smtp", excludes=_PLACE)
    folder: Text | None = tagged(":folder", Kind.STRING, excludes=_PLACE)
    index: int = number("index")

    name: ClassVar[str] = _NAME
    asks: ClassVar[bool] = True

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        return _problems(self.smtp, self.folder, self.subject)

    def holds(self, frame: Frame) -> bool:
        return _load(frame, self.folder, self.index)


COMMANDS = (MessageCommand,)
TESTS = (MessageTest,)
