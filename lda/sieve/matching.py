"""matching - what all tests share that compare values with keys: the tags, and their checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from lda.sieve.compile import Build
from lda.sieve.language import Complaint, Group, Tag, Test, group
from lda.sieve.match import ASCII_CASEMAP, Comparator, Match, Matcher, UnusableKey
from lda.sieve.scope import Scope
from lda.sieve.text import Texts

Found = TypeVar("Found")


def key_problems(match: Match, comparator: Comparator, keys: Texts) -> Iterator[Complaint]:
    """What is wrong with the match type, the comparator and the constant keys."""
    problem = match.type.problem(comparator, match.parameter)
    if problem:
        yield Complaint(problem)
        return
    for key in keys:
        if key.value is not None:
            try:
                match.type.single(comparator, key.value, match.parameter, False)
            except UnusableKey as unusable:
                yield Complaint(str(unusable), key.node)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingTest(Test):
    """A test with MATCH-TYPE and COMPARATOR. A subclass has `keys` as its last argument."""

    match: Match = group(Group.MATCH_TYPE)
    comparator: Comparator = group(Group.COMPARATOR)

    default_comparator: ClassVar[Comparator] = ASCII_CASEMAP

    def matcher(self, build: Build, keys: Texts, *, captures: bool = True) -> Matcher:
        """The function that compares values with *keys*. captures False: never set match variables."""
        return build.matcher(self.match, self.comparator, keys, captures=captures)

    def key_problems(self, keys: Texts) -> Iterator[Complaint]:
        """What is wrong with the match type, the comparator and the constant keys."""
        return key_problems(self.match, self.comparator, keys)

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        keys: Texts = getattr(self, "keys", ())
        return self.key_problems(keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectingTag(Tag):
    """A tag that picks some of the fields that a test has found (``:index``)."""

    def select(self, fields: Sequence[Found], tags: Sequence[Tag]) -> Sequence[Found]:
        """Those of *fields* to look at."""
        raise NotImplementedError


def selected(fields: Sequence[Found], tags: Sequence[Tag]) -> Sequence[Found]:
    """*fields* after every selecting tag."""
    for tag in tags:
        if isinstance(tag, SelectingTag):
            fields = tag.select(fields, tags)
    return fields
