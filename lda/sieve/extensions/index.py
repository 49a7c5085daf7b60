"""index (RFC 5260 section 6): ``:index`` and ``:last`` on header, address and date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from lda.sieve.language import Complaint, Extension, Item, Tag, number
from lda.sieve.matching import SelectingTag
from lda.sieve.scope import Scope

Found = TypeVar("Found")
_ON = frozenset({"header", "address", "date"})


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTag(SelectingTag):
    """``:index <fieldno: number>``: the first field is 1; with ``:last`` from the end."""

    position: int = number("field number")

    name: ClassVar[str] = ":index"
    on: ClassVar[frozenset[str]] = _ON

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        if self.position == 0:
            yield Complaint("the :index tag counts fields from 1, but 0 was found", self.node)

    def select(self, fields: Sequence[Found], tags: Sequence[Tag]) -> Sequence[Found]:
        if self.position > len(fields):
            return ()
        last = any(isinstance(tag, LastTag) for tag in tags)
        return (fields[-self.position] if last else fields[self.position - 1],)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastTag(Tag):
    """``:last``: count from the end."""

    name: ClassVar[str] = ":last"
    on: ClassVar[frozenset[str]] = _ON

    def among(self, item: Item) -> Iterator[Complaint]:
        if not any(isinstance(tag, IndexTag) for tag in item.tags):
            yield Complaint(
                f"the :last tag for {item.subject} cannot be specified without the :index tag", self.node
            )


EXTENSION = Extension(capability="index", tags=(IndexTag, LastTag))
