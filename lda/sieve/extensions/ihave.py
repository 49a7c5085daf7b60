"""ihave (RFC 5463): the test ihave and the command error.

Whether an extension is there is known when the script is read: code behind an `ihave` that fails is not looked at,
after one that succeeds the extension is in force. Extensions that change how strings are read cannot be had so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.compile import Build
from lda.sieve.diagnostics import Severity
from lda.sieve.language import Command, Complaint, Extension, Predicate, Test, string, strings
from lda.sieve.machine import Failure, Frame
from lda.sieve.scope import Scope, near
from lda.sieve.text import Text, Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class IHave(Test):
    """``ihave <capabilities: string-list>``: all of them are there; then they are in force from here on."""

    capabilities: Texts = strings("capabilities")

    name: ClassVar[str] = "ihave"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        for text in self.capabilities:
            if text.value is None:
                problem = "ihave takes constant capabilities; this one is never there"
                yield Complaint(problem, text.node, "", Severity.WARNING)
            elif not _available(text.value, scope):
                hint = near(text.value, scope.language.capabilities)
                yield Complaint(f"there is no capability '{text.value}'", text.node, hint, Severity.WARNING)
        if self._succeeds(scope):
            for text in self.capabilities:
                scope.require(text.value or "")

    def _succeeds(self, scope: Scope) -> bool:
        return all(text.value is not None and _available(text.value, scope) for text in self.capabilities)

    def constant(self, scope: Scope) -> bool | None:
        """What an extension that is there leaves out is looked at all the same, as Dovecot does."""
        return None if self._succeeds(scope) else False

    def predicate(self, build: Build) -> Predicate:
        result = self._succeeds(build.scope)
        return lambda frame: result


def _available(capability: str, scope: Scope) -> bool:
    extension = scope.language.extensions.get(capability)
    return capability != "" and extension is not None and not extension.grammar


@dataclass(frozen=True, slots=True, kw_only=True)
class Error(Command):
    """``error <message: string>``: end the script as failed, with this text."""

    message: Text = string("message")

    name: ClassVar[str] = "error"

    def act(self, frame: Frame) -> None:
        raise Failure(self.message(frame))


EXTENSION = Extension(capability="ihave", commands=(Error,), tests=(IHave,))
