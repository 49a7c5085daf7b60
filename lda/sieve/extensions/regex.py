"""regex (draft-murchison-sieve-regex): ``:regex``, and the modifier ``:quoteregex``.

POSIX extended expressions, leftmost-longest, on Google's RE2: time linear in the value, whatever the pattern. One with
Perl's ``(?`` (``(?i)``, ``(?:...)``) is taken as Perl means it, as newer Dovecots do.
Back references and ``\\<`` run on a matcher of our own, which gives up after a number of steps.
"""

from __future__ import annotations

from typing import Any

import re2  # type: ignore[import-untyped]

from lda.sieve.automaton import to_re2
from lda.sieve.backtrack import TooLong, search
from lda.sieve.ere import BadPattern, Tree, parse
from lda.sieve.extensions.variables import ModifierTag
from lda.sieve.language import Extension
from lda.sieve.limits import DEFAULT
from lda.sieve.machine import Failure
from lda.sieve.match import NOTHING, Captures, Comparator, MatchType, Single, UnusableKey

_SPECIAL = str.maketrans({character: f"\\{character}" for character in ".\\[](){}*+?^$|"})
MAX_PROGRAM_BYTES = 4 << 20


class Regex(MatchType):
    """``:regex``: some part of the value fits the pattern."""

    tag = ":regex"

    def problem(self, comparator: Comparator, parameter: str) -> str:
        return (
            ""
            if comparator.substrings
            else f"the {comparator.name} comparator has no substrings for {self.tag}"
        )

    def weight(self, key: str) -> int:
        return 30

    def single(self, comparator: Comparator, key: str, parameter: str, captures: bool) -> Single:
        fold = _folds(comparator)
        try:
            compiled = _compiled(key, fold=fold)
        except BadPattern as bad:
            raise UnusableKey(f"invalid regular expression '{key}' for regex match: {bad}") from None
        if isinstance(compiled, Tree):
            return _backtracking(compiled, fold)

        def single(value: str) -> Captures | None:
            found = compiled.search(value.encode("utf-8", "surrogateescape"))
            if found is None:
                return None
            if not captures:
                return NOTHING
            return tuple(_text(group) for group in (found.group(), *found.groups()))

        return single


def _folds(comparator: Comparator) -> bool:
    return comparator.fold("A") == "a"


def _text(group: bytes | None) -> str:
    return "" if group is None else group.decode("utf-8", "surrogateescape")


def _backtracking(tree: Tree, fold: bool) -> Single:
    def single(value: str) -> Captures | None:
        try:
            found = search(tree, value, fold=fold)
        except TooLong:
            raise Failure("a regular expression with back references takes too long") from None
        return None if found is None else tuple(found)

    return single


def _compiled(pattern: str, *, fold: bool) -> Any:
    """*pattern* for RE2, or its tree where RE2 cannot do it. Raises BadPattern."""
    if len(pattern) > DEFAULT.regex_bytes:
        raise BadPattern("regular expression too big")
    try:
        tree = parse(pattern, fold=fold)
    except BadPattern as bad:
        if "(?" not in pattern:
            raise
        return _perl(pattern, bad, fold=fold)
    source = to_re2(tree)
    if source is not None:
        try:
            return re2.compile(source.encode(), _options(longest=True))
        except re2.error as exc:
            if "too large" in str(exc):
                raise BadPattern("regular expression too big") from None
    return tree


def _perl(pattern: str, bad: BadPattern, *, fold: bool) -> Any:
    options = _options(longest=False)
    options.case_sensitive = not fold
    try:
        return re2.compile(pattern.encode("utf-8", "surrogateescape"), options)
    except re2.error:
        raise bad from None


def _options(*, longest: bool) -> Any:
    options = re2.Options()
    options.longest_match = longest
    options.log_errors = False
    options.max_mem = MAX_PROGRAM_BYTES
    options.dot_nl = True
    return options


class QuoteRegex(ModifierTag):
    """``:quoteregex``: the value matches only itself in ``:regex``."""

    name = ":quoteregex"
    precedence = 20

    def apply(self, value: str) -> str:
        return value.translate(_SPECIAL)


EXTENSION = Extension(capability="regex", match_types=(Regex(),), tags=(QuoteRegex,))
