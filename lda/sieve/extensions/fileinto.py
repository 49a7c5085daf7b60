"""fileinto (RFC 5228 section 4.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve import plan
from lda.sieve.diagnostics import Severity
from lda.sieve.extensions.actions import ActionCommand, edited
from lda.sieve.language import Complaint, Extension, string
from lda.sieve.machine import Failure, Frame
from lda.sieve.mailbox_name import name_problem
from lda.sieve.scope import Scope
from lda.sieve.text import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInto(ActionCommand):
    """``fileinto <mailbox: string>``; tags come from copy, imap4flags, mailbox, special-use..."""

    mailbox: Text = string("mailbox")

    name: ClassVar[str] = "fileinto"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if self.mailbox.value is not None and (problem := name_problem(self.mailbox.value)):
            # Only what other engines refuse too is an error before the command is reached.
            severity = Severity.ERROR if "UTF-8" in problem else Severity.WARNING
            text = f"invalid folder name '{self.mailbox.value}': {problem}"
            yield Complaint(text, self.mailbox.node, "", severity)

    def act(self, frame: Frame) -> None:
        mailbox = self.mailbox(frame)
        problem = name_problem(mailbox)
        if problem:
            raise Failure(f"invalid folder name '{mailbox}': {problem}")
        action = plan.FileInto(source=self.source, mailbox=mailbox, flags=frame.flags, message=edited(frame))
        self.decide(frame, action)


EXTENSION = Extension(capability="fileinto", commands=(FileInto,))
