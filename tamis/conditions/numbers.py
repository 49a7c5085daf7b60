"""numbers - conditions on counts, sizes and the score: ``5``, ``>5``, ``>=5``, ``<5``, ``<=5``, ``5..9``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import TypeVar

from tamis.conditions.logic import Predicate, parted
from tamis.config.units import Unfit, parse_size

S = TypeVar("S")

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
    "": operator.eq,
}
_FORM = re.compile(r"(>=|<=|>|<|=|)\s*([^\s<>=].*)")
_DECIMAL = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,6})?", re.ASCII)


def comparison(get: Callable[[S], float], texts: tuple[str, ...], *, size: bool = False) -> Predicate[S]:
    """Whether one of *texts* fits and none of those with ``!``. size: numbers may have units. Raises Unfit."""
    return parted(texts, lambda text: _one(get, text, size))


def _one(get: Callable[[S], float], text: str, size: bool) -> Predicate[S]:
    low, dots, high = text.partition("..")
    if dots:
        least, most = _number(low, size), _number(high, size)
        if least > most:
            raise Unfit(f"{text!r} is an empty range")
        return lambda seen: least <= get(seen) <= most
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise Unfit(f'{text!r} is no number, such as "5", ">=5" or "5..9"')
    compare, bound = _COMPARE[form[1]], _number(form[2], size)
    return lambda seen: compare(get(seen), bound)


def _number(text: str, size: bool) -> float:
    if _DECIMAL.fullmatch(text.strip()):
        return float(text)
    if size:
        return float(parse_size(text.strip()))
    raise Unfit(f'{text!r} is no number, such as "5", ">=5" or "5..9"')
