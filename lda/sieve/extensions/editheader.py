"""editheader (RFC 5293): addheader and deleteheader. Later tests and actions see the change, earlier ones do not.

What was received is never touched: an edit makes another message out of the fields as they are now and the body
as it came. After an error, and for refusals, the original counts (section 7).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.ast import Node
from lda.sieve.compile import Code
from lda.sieve.diagnostics import Severity
from lda.sieve.language import (
    Command,
    Complaint,
    Extension,
    Group,
    Kind,
    flag,
    group,
    optional_strings,
    string,
    strings,
    tagged,
)
from lda.sieve.machine import Failure, Frame
from lda.sieve.match import Comparator, Match, Matcher
from lda.sieve.matching import key_problems
from lda.sieve.scope import Scope
from lda.sieve.text import Text, Texts
from lda.sieve.view import MessageView
from tamis.mail import encode
from tamis.mail.edit import EditedMessage, newline_of
from tamis.mail.headers import MAX_FIELDS, Field

MAX_NAME_CHARS = 127
_NAME = re.compile(rf"[\x21-\x39\x3b-\x7e]{{1,{MAX_NAME_CHARS}}}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

KEPT = frozenset({"received", "auto-submitted", "x-sieve-redirected-from"})
"""Traces of mail loops; section 6 names the first two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditHeader:
    """max_header_size: the longest value, in bytes. forbid_add, forbid_delete: field names. Subject stays free."""

    max_header_size: int = 2048
    forbid_add: tuple[str, ...] = ()
    forbid_delete: tuple[str, ...] = ()

    def problems(self) -> Iterator[str]:
        """What is wrong with these options: ``key: sentence``."""
        if self.max_header_size < 1024:
            yield "max_header_size: must be 1024 at least"

    def may_add(self, name: str) -> bool:
        """Whether scripts may add a field called *name*."""
        return _free(name, self.forbid_add)

    def may_delete(self, name: str) -> bool:
        """Whether scripts may delete fields called *name*."""
        return name.lower() not in KEPT and _free(name, self.forbid_delete)


def _free(name: str, forbidden: tuple[str, ...]) -> bool:
    return name.lower() == "subject" or name.lower() not in map(str.lower, forbidden)


_NAMELESS = "no header field has an empty name: this does nothing"


def _name_problem(command: str, name: str) -> str:
    return (
        ""
        if not name or _NAME.fullmatch(name)
        else f"{command} command: specified field name '{name}' is invalid"
    )


def _replace(frame: Frame, fields: tuple[Field, ...]) -> None:
    """The message has these fields from now on."""
    frame.spend(10 + len(fields))
    frame.view = MessageView(EditedMessage(frame.view.message, fields), frame.context.limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddHeader(Command):
    """``addheader [":last"] <field-name: string> <value: string>``: at the top, or at the end of the header."""

    last: bool = flag(":last")
    field: Text = string("field name")
    value: Text = string("value")

    name: ClassVar[str] = "addheader"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if self.field.value is not None and (problem := _name_problem(self.name, self.field.value)):
            yield Complaint(problem, self.field.node)
        if self.field.value == "":
            yield Complaint(_NAMELESS, self.field.node, "", Severity.WARNING)
        if self.value.value is not None and _CONTROL.search(self.value.value):
            shown = _CONTROL.sub("?", self.value.value)
            text = f"addheader command: specified value '{shown}' is invalid"
            yield Complaint(text, self.value.node, "control characters will be encoded", Severity.WARNING)

    def act(self, frame: Frame) -> None:
        name, value = self.field(frame), self.value(frame)
        options = frame.context.setting(EditHeader)
        if problem := _name_problem(self.name, name):
            raise Failure(problem)
        if len(value.encode("utf-8", "surrogateescape")) > options.max_header_size:
            raise Failure("addheader action: specified header value is too large")
        if not name:
            frame.warn(_NAMELESS, self.source)
            return
        if not options.may_add(name):
            frame.warn(f"addheader action: adding the header field '{name}' is forbidden here", self.source)
            return
        headers = frame.view.fields.headers
        if len(headers) >= MAX_FIELDS:
            raise Failure("addheader action: the message has too many header fields")
        field = Field(name, encode.field(name, value, newline_of(frame.original)))
        _replace(frame, (*headers, field) if self.last else (field, *headers))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteHeader(Command):
    """``deleteheader [":index" <fieldno> [":last"]] [COMPARATOR] [MATCH-TYPE] <field-name> [<value-patterns>]``

    Without patterns all fields of that name, with ``:index`` the one; a pattern must fit it too."""

    match: Match = group(Group.MATCH_TYPE)
    comparator: Comparator = group(Group.COMPARATOR)
    index: int | None = tagged(":index", Kind.NUMBER)
    last: bool = flag(":last")
    names: Texts = strings("field name")
    patterns: Texts | None = optional_strings("value patterns")

    name: ClassVar[str] = "deleteheader"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if len(self.names) != 1:
            yield Complaint(f"{self.name} command: there must be one field name, not {len(self.names)}")
        for text in self.names:
            if text.value is not None:
                yield from self._field_problems(text.value, text.node)
        if self.last and self.index is None:
            yield Complaint(f"the :last tag for {self.subject} cannot be specified without the :index tag")
        if self.index == 0:
            yield Complaint("fields are counted from 1: this deletes nothing", None, "", Severity.WARNING)
        yield from key_problems(self.match, self.comparator, self.patterns or ())

    def _field_problems(self, name: str, node: Node) -> Iterator[Complaint]:
        if problem := _name_problem(self.name, name):
            yield Complaint(problem, node)
        elif not name:
            yield Complaint(_NAMELESS, node, "", Severity.WARNING)
        elif name.lower() in KEPT:
            text = f"deleteheader command: deleting the header field '{name}' is forbidden"
            yield Complaint(text, node, "", Severity.WARNING)

    def emit(self, code: Code) -> None:
        """The patterns are prepared once."""
        match: Matcher | None = None
        if self.patterns is not None:
            match = code.build.matcher(self.match, self.comparator, self.patterns)
        code.step(self, lambda frame: self._delete(frame, match))

    def _delete(self, frame: Frame, match: Matcher | None) -> None:
        name = self.names[0](frame)
        if problem := _name_problem(self.name, name):
            raise Failure(problem)
        if not frame.context.setting(EditHeader).may_delete(name):
            frame.warn(f"deleteheader action: deleting the header field '{name}' is forbidden", self.source)
            return
        headers = frame.view.fields.headers
        found = list(zip(headers.all(name), frame.view.fields.values(name.lower()), strict=True))
        if self.index is not None:
            place = len(found) - self.index if self.last else self.index - 1
            found = found[place : place + 1] if 0 <= place < len(found) else []
        gone = {id(field) for field, value in found if match is None or match(frame, (value,))}
        if gone:
            _replace(frame, tuple(field for field in headers if id(field) not in gone))


EXTENSION = Extension(capability="editheader", commands=(AddHeader, DeleteHeader))
