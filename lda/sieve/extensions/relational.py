"""relational (RFC 5231): ``:value`` and ``:count``."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from lda.sieve.language import Extension, Kind
from lda.sieve.machine import Frame
from lda.sieve.match import NOTHING, Captures, Comparator, Matcher, MatchType, Single, Values
from lda.sieve.text import Texts, expander

RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
}


class _Relational(MatchType):
    parameter = Kind.STRING

    def problem(self, comparator: Comparator, parameter: str) -> str:
        if parameter.lower() in RELATIONS:
            return ""
        known = ", ".join(RELATIONS)
        return f"the {self.tag} match-type requires one of {known} as parameter, but '{parameter}' was found"

    def single(self, comparator: Comparator, key: str, parameter: str, captures: bool) -> Single:
        relation, order = RELATIONS[parameter.lower()], comparator.order
        right = order(key)

        def single(value: str) -> Captures | None:
            return NOTHING if relation(order(value), right) else None

        return single


class Value(_Relational):
    """``:value``: a value stands in this relation to a key."""

    tag = ":value"


class Count(_Relational):
    """``:count``: the number of values stands in this relation to a key."""

    tag = ":count"
    counts = True

    def matcher(self, comparator: Comparator, keys: Texts, parameter: str, captures: bool) -> Matcher:
        expand = expander(keys)

        def match(frame: Frame, values: Values) -> bool:
            count = str(len(values))
            singles = (self.single(comparator, key, parameter, False) for key in expand(frame))
            return any(single(count) is not None for single in singles)

        return match


EXTENSION = Extension(capability="relational", match_types=(Value(), Count()))
