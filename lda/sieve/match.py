"""match - comparing values of the message with keys of the script (RFC 5228 section 2.7).

A `Comparator` says when two strings are the same, how they are ordered, and whether they have substrings. A
`MatchType` turns one key into a function of one value; the loop over values and keys is here, once. Extensions
add rows of both kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lda.sieve.language import Kind
from lda.sieve.text import Texts, constants, expander
from lda.sieve.wildcard import Wildcard
from tamis.mail.address import Mailbox

if TYPE_CHECKING:
    from lda.sieve.machine import Frame

Captures = tuple[str, ...]
"""What a match leaves in ``${0}``, ``${1}``...; empty if the match type leaves nothing."""

Single = Callable[[str], Captures | None]
"""One key, waiting for a value: None means no match."""

Values = Sequence[str | None]
"""What a test found. None is counted but matches nothing: an address without the part that was asked for."""

Matcher = Callable[["Frame", Values], bool]

NOTHING: Captures = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparator:
    """One collation (RFC 4790). fold: makes equal strings identical, keeping their length where `substrings`.

    order: a key to sort by, None where undefined; then no relation holds. within: as `fold`, where parts are looked for
    in something that does not keep the length."""

    name: str
    fold: Callable[[str], str]
    equal: Callable[[str], Hashable]
    order: Callable[[str], Any]
    substrings: bool = True
    within: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPart:
    """One part of an address. pick: None if this address has no such part. The frame knows the site's options.

    whole: a field that holds no valid address is compared as it stands (only ``:all`` does this)."""

    tag: str
    pick: Callable[[Mailbox, Frame], str | None]
    whole: bool = False


class UnusableKey(Exception):
    """A key is wrong. Found when a script is read, it is an error; later, the key just matches nothing."""


class MatchType:
    """One way to compare. tag: ``:is``. parameter: what follows the tag."""

    tag: ClassVar[str]
    parameter: ClassVar[Kind | None] = None
    counts: ClassVar[bool] = False
    """It looks at the number of values only."""
    asks: ClassVar[bool] = False
    """It may put a question to the host."""

    def problem(self, comparator: Comparator, parameter: str) -> str:
        """Why it cannot be used so, or ""."""
        return ""

    def weight(self, key: str) -> int:
        """What comparing *key* with 256 characters of a value costs, in steps."""
        return 1

    def single(self, comparator: Comparator, key: str, parameter: str, captures: bool) -> Single:
        """*key*, prepared. captures: whether ``${1}`` and so on are wanted. Raises UnusableKey."""
        raise NotImplementedError

    def matcher(self, comparator: Comparator, keys: Texts, parameter: str, captures: bool) -> Matcher:
        """A test of many values against many keys: any pair counts; the first that matches leaves captures."""
        fixed = constants(keys)
        if fixed is not None:
            singles = [self.single(comparator, key, parameter, captures) for key in fixed]
            weight = sum(map(self.weight, fixed))
            return lambda frame, values: _any_pair(frame, values, singles, weight)
        expand = expander(keys)

        def match(frame: Frame, values: Values) -> bool:
            now = expand(frame)
            frame.spend(sum(10 + (len(key) >> 3) for key in now))
            fresh = []
            for key in now:
                try:
                    fresh.append(self.single(comparator, key, parameter, captures))
                except UnusableKey as unusable:
                    frame.warn(str(unusable), frame.where())
            return _any_pair(frame, values, fresh, sum(map(self.weight, now)))

        return match


def _any_pair(frame: Frame, values: Values, singles: Sequence[Single], weight: int) -> bool:
    for value in values:
        if value is None:
            continue
        frame.spend(weight * (1 + (len(value) >> 8)))
        for single in singles:
            captures = single(value)
            if captures is not None:
                if captures:
                    frame.captures = captures
                return True
    return False


@dataclass(frozen=True, slots=True)
class Match:
    """A match type as written in a script, with its parameter (``:value "gt"``)."""

    type: MatchType
    parameter: str = ""


def ascii_lower(text: str) -> str:
    """*text* with A to Z in lower case, everything else unchanged (i;ascii-casemap, RFC 4790 section 9.2)."""
    if text.isascii():
        return text.lower()
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _same(text: str) -> str:
    return text


OCTET = Comparator(name="i;octet", fold=_same, equal=_same, order=_octets)
ASCII_CASEMAP = Comparator(
    name="i;ascii-casemap",
    fold=ascii_lower,
    equal=ascii_lower,
    order=lambda text: _octets(text).upper(),  # RFC 4790 section 9.2.1: "_" comes after "a"
)


class Is(MatchType):
    """``:is``: the same."""

    tag = ":is"

    def single(self, comparator: Comparator, key: str, parameter: str, captures: bool) -> Single:
        equal = comparator.equal
        wanted = equal(key)
        return lambda value: NOTHING if equal(value) == wanted else None

    def matcher(self, comparator: Comparator, keys: Texts, parameter: str, captures: bool) -> Matcher:
        fixed = constants(keys)
        if fixed is None:
            return super().matcher(comparator, keys, parameter, captures)
        equal = comparator.equal
        wanted = frozenset(map(equal, fixed))

        def match(frame: Frame, values: Values) -> bool:
            for value in values:
                if value is not None and equal(value) in wanted:
                    return True
            frame.spend(len(values))
            return False

        return match


class _Substring(MatchType):
    def problem(self, comparator: Comparator, parameter: str) -> str:
        return (
            ""
            if comparator.substrings
            else f"the {comparator.name} comparator has no substrings for {self.tag}"
        )


class Contains(_Substring):
    """``:contains``: a part of it."""

    tag = ":contains"

    def single(self, comparator: Comparator, key: str, parameter: str, captures: bool) -> Single:
        fold = comparator.within or comparator.fold
        wanted = fold(key)
        return lambda value: NOTHING if wanted in fold(value) else None

    def matcher(self, comparator: Comparator, keys: Texts, parameter: str, captures: bool) -> Matcher:
        fixed = constants(keys)
        if fixed is None:
            return super().matcher(comparator, keys, parameter, captures)
        fold = comparator.within or comparator.fold
        wanted = [fold(key) for key in fixed]

        def match(frame: Frame, values: Values) -> bool:
            for value in values:
                if value is None:
                    continue
                frame.spend(len(wanted) * (1 + (len(value) >> 8)))
                folded = fold(value)
                for key in wanted:
                    if key in folded:
                        return True
            return False

        return match


class Matches(_Substring):
    """``:matches``: ``*`` and ``?`` stand for anything and for one character."""

    tag = ":matches"

    def weight(self, key: str) -> int:
        # A piece with question marks is looked for place by place: its length counts.
        return 1 + (4 * len(key) if "?" in key and "*" in key else 0)

    def single(self, comparator: Comparator, key: str, parameter: str, captures: bool) -> Single:
        fold = comparator.fold
        wildcard = Wildcard(fold(key))
        if not captures:
            return lambda value: NOTHING if wildcard.match(fold(value)) else None

        def single(value: str) -> Captures | None:
            found = wildcard.find(fold(value))
            return None if found is None else (value, *[value[start:end] for start, end in found])

        return single


IS = Is()
MATCH_TYPES: tuple[MatchType, ...] = (IS, Contains(), Matches())
