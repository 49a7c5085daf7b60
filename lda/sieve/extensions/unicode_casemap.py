"""unicode_casemap - the comparator i;unicode-casemap (RFC 5051): letters of all scripts without their case.

Equality, order and ``:contains`` are those of the RFC: title case, then the full decomposition, so that ``u`` is a part
of ``ü``. Wildcards are matched with a folding that keeps one character one character: ``?`` and match variables count
as readers do.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from lda.sieve.language import Extension
from lda.sieve.match import Comparator, ascii_lower

_CACHED_CHARACTERS = 4096


@lru_cache(_CACHED_CHARACTERS)
def _title(character: str) -> str:
    """The simple title case mapping: one that needs several characters is none (``ß``)."""
    title = character.title()
    return title if len(title) == 1 else character


@lru_cache(_CACHED_CHARACTERS)
def _decomposed(character: str) -> str:
    return unicodedata.normalize("NFKD", _title(character))


@lru_cache(_CACHED_CHARACTERS)
def _folded(character: str) -> str:
    """As decomposed as one character can be: a full-width letter is the plain one, ``ü`` stays whole."""
    decomposed = _decomposed(character)
    return ascii_lower(decomposed if len(decomposed) == 1 else _title(character))


def decompose(text: str) -> str:
    """*text* as RFC 5051 section 2 compares it. Linear time."""
    return text.upper() if text.isascii() else "".join(map(_decomposed, text))


def fold(text: str) -> str:
    """*text* for wildcards, as long as it was."""
    return text.lower() if text.isascii() else "".join(map(_folded, text))


def _order(text: str) -> bytes:
    return decompose(text).encode("utf-8", "surrogateescape")


UNICODE_CASEMAP = Comparator(
    name="i;unicode-casemap", fold=fold, equal=decompose, order=_order, within=decompose
)

EXTENSION = Extension(capability="comparator-i;unicode-casemap", comparators=(UNICODE_CASEMAP,))
