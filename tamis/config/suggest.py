"""suggest - what an admin may have meant by a name that is not known."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, get_type_hints

from tamis.config.schema import options_of, table_class
from tamis.config.units import quoted

MAX_NAMES_LISTED = 16


def nearest(word: str, words: Iterable[str]) -> str:
    """``, did you mean "x"?`` for the closest of *words*; "" where none is close."""
    from difflib import get_close_matches

    names = {_flat(known): known for known in words}
    found = get_close_matches(_flat(word), names, n=1, cutoff=0.6)
    return f", did you mean {quoted(names[found[0]])}?" if found else ""


def unknown(what: str, word: str, known: Collection[str], roots: Iterable[type[Any]] = ()) -> str:
    """The sentence about a *word* that is none of *known*, nor perhaps of another table of *roots*."""
    if near := nearest(word, known):
        return f"unknown {what}{near}"
    for root in roots:
        if found := _elsewhere(word, root):
            return f"unknown {what} here, did you mean {found}?"
    if not known or len(known) > MAX_NAMES_LISTED:
        return f"unknown {what}"
    return f"unknown {what}; known here: {', '.join(sorted(known))}"


def alternatives(words: Collection[str]) -> str:
    """``"a", "b" or "c"``."""
    names = [quoted(word) for word in words]
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _flat(word: str) -> str:
    return word.lower().replace("-", "_")


def _elsewhere(word: str, root: type[Any]) -> str:
    """Where below *root* an option or table *word* stands; "" if nowhere or in several tables."""
    found = [(name, cls) for name, cls in _tables(root, "") if word in {o.name for o in options_of(cls)}]
    if len(found) != 1:
        return ""
    [(name, cls)] = found
    path = f"{name}.{word}" if name else word
    if table_class(get_type_hints(cls)[word]) is not None:
        return f"[{path}]"
    return path if name else f"{word} above the first [table]"


def _tables(cls: type[Any], name: str) -> Iterable[tuple[str, type[Any]]]:
    yield name, cls
    hints = get_type_hints(cls)
    for option in options_of(cls):
        inner = table_class(hints[option.name])
        if inner is not None:
            yield from _tables(inner, f"{name}.{option.name}" if name else option.name)
