"""comparators - the collations that must be declared with require (RFC 4790)."""

from __future__ import annotations

import re

from lda.sieve.language import Extension
from lda.sieve.match import ASCII_CASEMAP, OCTET, Comparator

_LEADING_DIGITS = re.compile(r"[0-9]+")

# More digits than this compare by their number alone: converting them would take quadratic time.
_MAX_DIGITS = 1000


def number_key(text: str) -> tuple[int, int]:
    """Leading digits as a number; without any, positive infinity (RFC 4790 section 9.1.1)."""
    match = _LEADING_DIGITS.match(text)
    if match is None:
        return (1, 0)
    digits = match[0].lstrip("0")
    return (0, int(digits or "0")) if len(digits) <= _MAX_DIGITS else (0, 10 ** len(digits))


ASCII_NUMERIC = Comparator(
    name="i;ascii-numeric", fold=lambda text: text, equal=number_key, order=number_key, substrings=False
)

EXTENSIONS = (
    Extension(capability="comparator-i;octet", comparators=(OCTET,)),
    Extension(capability="comparator-i;ascii-casemap", comparators=(ASCII_CASEMAP,)),
    Extension(capability="comparator-i;ascii-numeric", comparators=(ASCII_NUMERIC,)),
)
