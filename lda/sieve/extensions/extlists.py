"""extlists (RFC 6134): lists that are kept outside of the script: ``:list`` as match type and on redirect.

Which lists there are and what is in them the host knows. Without an answer nothing is in any list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.extensions.actions import TargetTag
from lda.sieve.language import Extension, Test, strings
from lda.sieve.machine import Failure, Frame
from lda.sieve.match import Comparator, Matcher, MatchType, Single, Values
from lda.sieve.plan import Question
from lda.sieve.text import Texts, expander


@dataclass(frozen=True, slots=True)
class FindInLists(Question):
    """Answer str: the first of *values* that is in one of *lists*, as it stands in *values*; None: none is."""

    lists: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListsExist(Question):
    """Answer bool: all of *lists* are there and can be searched."""

    lists: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListMembers(Question):
    """Answer tuple of str: the addresses in *name*; None: there is no such list, or it cannot be listed."""

    name: str


class ListMatch(MatchType):
    """``:list``: a value is in one of the lists that the keys name. ``${0}`` is the value."""

    tag = ":list"
    asks = True

    def single(self, comparator: Comparator, key: str, parameter: str, captures: bool) -> Single:
        return lambda value: None  # no key says by itself what is in its list

    def matcher(self, comparator: Comparator, keys: Texts, parameter: str, captures: bool) -> Matcher:
        expand = expander(keys)

        def match(frame: Frame, values: Values) -> bool:
            present = tuple(value for value in values if value is not None)
            if not present:
                return False
            frame.spend(10 * len(present))
            found = frame.ask(FindInLists(tuple(expand(frame)), present))
            if not isinstance(found, str) or found not in present:
                return False
            if captures:
                frame.captures = (found,)
            return True

        return match


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidExtList(Test):
    """``valid_ext_list <ext-list-names: string-list>``: all of them are there."""

    names: Texts = strings("ext-list-names")

    name: ClassVar[str] = "valid_ext_list"
    asks: ClassVar[bool] = True

    def holds(self, frame: Frame) -> bool:
        return frame.ask(ListsExist(tuple(name(frame) for name in self.names))) is True


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTag(TargetTag):
    """``:list``: redirect to every member of a list. Each counts as one redirect."""

    name: ClassVar[str] = ":list"

    def addresses(self, frame: Frame, text: str) -> Sequence[str]:
        members = frame.ask(ListMembers(text))
        if not isinstance(members, tuple):
            raise Failure(f"redirect action: the list '{text}' does not exist or cannot be listed")
        return members


EXTENSION = Extension(
    capability="extlists", tests=(ValidExtList,), tags=(ListTag,), match_types=(ListMatch(),)
)
