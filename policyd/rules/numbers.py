"""numbers - conditions on counts, sizes and the score: ``5``, ``>5``, ``>=5``, ``<5``, ``<=5``, ``5..9``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

from policyd.rules.seen import Seen
from policyd.rules.texts import Predicate, any_of, both
from policyd.tables.lines import BadLine
from tamis.config.units import Unfit, parse_size

Number = Callable[[Seen], float]

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


def comparison(get: Number, texts: tuple[str, ...], *, size: bool = False) -> Predicate:
    """Whether one of *texts* fits and none of those with ``!``. size: numbers may have units. Raises BadLine."""
    wanted = [_one(get, text, size) for text in texts if text[:1] != "!"]
    barred = [_one(get, text[1:], size) for text in texts if text[:1] == "!"]
    return both(any_of(wanted), any_of(barred))


def _one(get: Number, text: str, size: bool) -> Predicate:
    low, dots, high = text.partition("..")
    if dots:
        least, most = _number(low, size), _number(high, size)
        if least > most:
            raise BadLine(f"{text!r} is an empty range")
        return lambda seen: least <= get(seen) <= most
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise BadLine(f'{text!r} is no number, such as "5", ">=5" or "5..9"')
    compare, bound = _COMPARE[form[1]], _number(form[2], size)
    return lambda seen: compare(get(seen), bound)


def _number(text: str, size: bool) -> float:
    if _DECIMAL.fullmatch(text.strip()):
        return float(text)
    try:
        if size:
            return float(parse_size(text.strip()))
    except Unfit as exc:
        raise BadLine(str(exc)) from None
    raise BadLine(f'{text!r} is no number, such as "5", ">=5" or "5..9"')
