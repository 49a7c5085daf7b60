"""mime (RFC 5703 section 4): tests on the header of a MIME part, and on what stands in its structured fields.

Outside of a loop ``:mime`` looks at the message itself, with ``:anychild`` at all its parts too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.fields import ReadTag, ViewTag
from lda.sieve.language import Complaint, Extension, Item, Tag, strings
from lda.sieve.machine import Frame
from lda.sieve.parts import Parts
from lda.sieve.text import Texts
from lda.sieve.view import FieldView
from tamis.mail.mime import parameters_of
from tamis.mail.parameters import decoded

_TOKEN = rb'\s*([^\x00-\x20\x7f()<>@,;:\\"/\[\]?=]+)\s*'  # RFC 2045 section 5.1
_TYPE = re.compile(_TOKEN + rb"/" + _TOKEN)
_DISPOSITION = re.compile(_TOKEN)
_COMMENT = re.compile(rb"\((?:[^()\\]|\\.)*\)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class MimeTag(ViewTag):
    """``:mime``: the header of the current part."""

    name: ClassVar[str] = ":mime"
    on: ClassVar[frozenset[str]] = frozenset({"header", "address", "exists"})

    def views(self, frame: Frame, tags: Sequence[Tag]) -> Sequence[FieldView]:
        below = any(isinstance(tag, AnyChildTag) for tag in tags)
        return frame.state(Parts).fields(frame, below=below)


def _alone(tag: Tag, item: Item) -> Iterator[Complaint]:
    if not any(isinstance(other, MimeTag) for other in item.tags):
        text = f"the {tag.name} tag for {item.subject} cannot be specified without the :mime tag"
        yield Complaint(text, tag.node)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyChildTag(Tag):
    """``:anychild``: and of all parts in it."""

    name: ClassVar[str] = ":anychild"
    on: ClassVar[frozenset[str]] = frozenset({"header", "address", "exists"})

    def among(self, item: Item) -> Iterator[Complaint]:
        return _alone(self, item)


@dataclass(frozen=True, slots=True, kw_only=True)
class _OptionTag(ReadTag):
    """One of MIMEOPTS. Fields that have no such thing read as an empty string."""

    on: ClassVar[frozenset[str]] = frozenset({"header"})

    def among(self, item: Item) -> Iterator[Complaint]:
        yield from _alone(self, item)
        options = [tag for tag in item.tags if isinstance(tag, _OptionTag)]
        if options[0] is not self:
            text = "the :type, :subtype, :contenttype, and :param arguments for the header test are mutually exclusive"
            yield Complaint(f"{text}, but more than one was specified", self.node)

    def read(self, view: FieldView, name: str, frame: Frame) -> Sequence[str]:
        return [self.one(name, raw) for raw in view.raw_values(name)]

    def one(self, name: str, raw: bytes) -> str:
        """What this tag reads in one field."""
        main, sub = _split(name, raw)
        return self.of(main, sub)

    def of(self, main: str, sub: str) -> str:
        """What this tag takes of a type, or of a disposition, which has no second half."""
        raise NotImplementedError


def _split(name: str, raw: bytes) -> tuple[str, str]:
    match, value = None, _COMMENT.sub(b"", raw).partition(b";")[0]
    if name == "content-type":
        match = _TYPE.fullmatch(value)
    elif name == "content-disposition":
        match = _DISPOSITION.fullmatch(value)
    words = [] if match is None else [word.decode("utf-8", "replace") for word in match.groups()]
    main, sub, *_ = [*words, "", ""]
    return main, sub


class TypeTag(_OptionTag):
    """``:type``: the first half of a type; a disposition."""

    name = ":type"

    def of(self, main: str, sub: str) -> str:
        return main


class SubtypeTag(_OptionTag):
    """``:subtype``: the second half of a type."""

    name = ":subtype"

    def of(self, main: str, sub: str) -> str:
        return sub


class ContentTypeTag(_OptionTag):
    """``:contenttype``: both halves of a type; a disposition."""

    name = ":contenttype"

    def of(self, main: str, sub: str) -> str:
        return f"{main}/{sub}" if sub else main


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamTag(_OptionTag):
    """``:param <param-list: string-list>``: the values of these parameters; an empty string if there is none."""

    parameters: Texts = strings("param list")

    name: ClassVar[str] = ":param"

    def read(self, view: FieldView, name: str, frame: Frame) -> Sequence[str]:
        wanted = [parameter(frame).lower() for parameter in self.parameters]
        values: list[str] = []
        for raw in view.raw_values(name):
            frame.spend(1 + (len(raw) >> 2))
            found = decoded(parameters_of(b";" + raw.partition(b";")[2]))
            values += [found[parameter] for parameter in wanted if parameter in found] or [""]
        return values


EXTENSION = Extension(
    capability="mime", tags=(MimeTag, AnyChildTag, TypeTag, SubtypeTag, ContentTypeTag, ParamTag)
)
