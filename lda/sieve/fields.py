"""fields - which header fields a test looks at: their names, and in which header section."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lda.sieve.diagnostics import Severity
from lda.sieve.language import Complaint, Tag
from lda.sieve.machine import Frame
from lda.sieve.text import Texts, constants, expander
from lda.sieve.view import FieldView

_NAME = re.compile(r"[\x21-\x39\x3b-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewTag(Tag):
    """A tag that makes a test look at other header sections than the message's (``:mime``)."""

    def views(self, frame: Frame, tags: Sequence[Tag]) -> Sequence[FieldView]:
        """The header sections to look at."""
        raise NotImplementedError


def one_view(tags: Sequence[Tag]) -> Callable[[Frame], Sequence[FieldView]]:
    """A function that gives the header sections of a test with *tags*."""
    for tag in tags:
        if isinstance(tag, ViewTag):
            return lambda frame, tag=tag: tag.views(frame, tags)  # type: ignore[misc]
    return lambda frame: (frame.view.fields,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTag(Tag):
    """A tag that makes the header test look at something else than the decoded text of a field (``:type``)."""

    def read(self, view: FieldView, name: str, frame: Frame) -> Sequence[str]:
        """The values of the fields called *name*."""
        raise NotImplementedError


Read = Callable[[FieldView, str, Frame], Sequence[str]]


def reader(tags: Sequence[Tag]) -> Read:
    """A function that gives the values of a field in the way the tags want it."""
    for tag in tags:
        if isinstance(tag, ReadTag):
            return tag.read
    return lambda view, name, frame: view.values(name)


def field_names(texts: Texts) -> Callable[[Frame], Sequence[str]]:
    """A function that gives the names, in lower case."""
    fixed = constants(texts)
    if fixed is not None:
        lower = tuple(name.lower() for name in fixed)
        return lambda frame: lower
    expand = expander(texts)
    return lambda frame: [name.lower() for name in expand(frame)]


def missing(names: Texts, frame: Frame, tags: Sequence[Tag]) -> Iterator[tuple[str, str]]:
    """Which of *names* no field has: what a trace says of a test that found less than it might have."""
    views = one_view(tags)(frame)
    for name in field_names(names)(frame):
        if not any(view.headers.all(name) for view in views):
            yield name, "missing"


def name_warnings(texts: Texts) -> Iterator[Complaint]:
    """A name that no field can have is no error (RFC 5228 section 2.4.2.2), but never meant."""
    for text in texts:
        if text.value is not None and not _NAME.fullmatch(text.value):
            hint = "leave the colon out" if text.value.endswith(":") else ""
            yield Complaint(
                f"no header field can be called '{text.value}'", text.node, hint, Severity.WARNING
            )
