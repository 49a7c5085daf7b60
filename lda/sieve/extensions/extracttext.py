"""extracttext (RFC 5703 section 7): the text of the current MIME part into a variable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.compile import Code
from lda.sieve.extensions.foreverypart import LOOP
from lda.sieve.extensions.variables import assigning, assignment
from lda.sieve.language import Command, Complaint, Extension, Kind, string, tagged
from lda.sieve.machine import Frame
from lda.sieve.parts import Parts, text_of
from lda.sieve.scope import Scope
from lda.sieve.text import Text
from tamis.mail.html import to_words


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractText(Command):
    """``extracttext [MODIFIER] [":first" number] <varname: string>``: empty for a part that has parts itself.

    first: so many characters, before the modifiers see them. HTML loses its mark-up."""

    first: int | None = tagged(":first", Kind.NUMBER)
    variable: Text = string("varname", constant=True)

    name: ClassVar[str] = "extracttext"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if LOOP not in scope.enclosing:
            yield Complaint(f"the extracttext command is not placed inside a {LOOP} loop")
        assign = assignment(self.variable, scope)
        if isinstance(assign, Complaint):
            yield assign

    def emit(self, code: Code) -> None:
        assigning(self, self.variable, code, lambda frame: _current(frame)[: self.first])


def _current(frame: Frame) -> str:
    loop = frame.state(Parts).current(frame)
    if loop is None:
        return ""
    text = text_of(frame, loop.message, loop.part) or ""
    if str(loop.part.content_type) in ("text/html", "application/xhtml+xml"):
        frame.spend(len(text) >> 3)
        return to_words(text)
    return text


EXTENSION = Extension(capability="extracttext", commands=(ExtractText,), wants=(LOOP, "variables"))
