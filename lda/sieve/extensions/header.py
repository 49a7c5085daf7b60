"""header - header, exists, size (RFC 5228 section 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.compile import Build
from lda.sieve.fields import field_names, missing, name_warnings, one_view, reader
from lda.sieve.language import Complaint, Predicate, Test, choice, number, strings
from lda.sieve.machine import Frame
from lda.sieve.matching import MatchingTest, selected
from lda.sieve.scope import Scope
from lda.sieve.text import Texts
from lda.sieve.view import concatenated


@dataclass(frozen=True, slots=True, kw_only=True)
class Header(MatchingTest):
    """``header [COMPARATOR] [MATCH-TYPE] <header-names: string-list> <key-list: string-list>``"""

    names: Texts = strings("header names")
    keys: Texts = strings("key list")

    name: ClassVar[str] = "header"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        yield from name_warnings(self.names)
        yield from self.key_problems(self.keys)

    def predicate(self, build: Build) -> Predicate:
        match = self.matcher(build, self.keys)
        names, tags = field_names(self.names), self.tags
        if not tags:
            return lambda frame: match(frame, concatenated(frame.view.fields, names(frame)))
        views, read = one_view(tags), reader(tags)

        def holds(frame: Frame) -> bool:
            wanted = names(frame)
            found = [value for view in views(frame) for name in wanted for value in read(view, name, frame)]
            return match(frame, selected(found, tags))

        return holds

    def facts(self, frame: Frame) -> Iterator[tuple[str, str]]:
        return missing(self.names, frame, self.tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exists(Test):
    """``exists <header-names: string-list>``: all of them."""

    names: Texts = strings("header names")

    name: ClassVar[str] = "exists"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        return name_warnings(self.names)

    def predicate(self, build: Build) -> Predicate:
        names, views = field_names(self.names), one_view(self.tags)

        def holds(frame: Frame) -> bool:
            wanted = names(frame)
            return any(all(view.headers.all(name) for name in wanted) for view in views(frame))

        return holds

    def facts(self, frame: Frame) -> Iterator[tuple[str, str]]:
        views = one_view(self.tags)(frame)
        for name in field_names(self.names)(frame):
            count = sum(len(view.headers.all(name)) for view in views)
            yield name, "missing" if not count else "there" if count == 1 else f"there {count} times"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size(Test):
    """``size <":over" / ":under"> <limit: number>``: a message of exactly that size is neither."""

    which: str = choice(":over", ":under")
    limit: int = number("limit")

    name: ClassVar[str] = "size"

    def holds(self, frame: Frame) -> bool:
        size = frame.view.size_bytes
        return size > self.limit if self.which == ":over" else size < self.limit

    def facts(self, frame: Frame) -> Iterator[tuple[str, str]]:
        yield "size", f"{frame.view.size_bytes} bytes"
        yield "limit", f"{self.limit} bytes"
