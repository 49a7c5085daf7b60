"""marks - scores and tags, which checks and rules leave for those behind them: how an admin writes them.

score 2.5           added to the score that is seen behind
tag NAME            a word that conditions can ask for
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from tamis.conditions.logic import Predicate, both, sides
from tamis.config.units import Unfit

TAG = re.compile(r"[A-Za-z0-9_.-]{1,64}")
MAX_SCORE = 1_000_000

_SCORE = re.compile(r"score\s+([+-]?\d{1,6}(?:\.\d{1,6})?)", re.ASCII | re.IGNORECASE)


class Tagged(Protocol):
    """What conditions look at, with the tags that are left so far."""

    @property
    def tags(self) -> set[str]: ...


S = TypeVar("S", bound=Tagged)


def mark(text: str) -> tuple[float, tuple[str, ...]] | None:
    """The score and the tags of ``score N`` or ``tag NAME``; None for anything else."""
    text = text.strip()
    if found := _SCORE.fullmatch(text):
        return float(found[1]), ()
    word, _, name = text.partition(" ")
    name = name.strip()
    return (0.0, (name,)) if word.lower() == "tag" and TAG.fullmatch(name) else None


def word_problems(key: str, *words: str) -> Iterator[str]:
    """Which of the *words* of the option *key* could be no tag: names of rules are written as tags are."""
    for word in words:
        if not TAG.fullmatch(word):
            yield f"{key}: {word!r} must be 1 to 64 letters, digits, - _ ."


def tagged(texts: Sequence[str]) -> Predicate[S]:
    """Whether an earlier check or rule has left one of the tags, and none of those with ``!``. Raises Unfit."""
    wanted, barred = map(frozenset, sides(texts))
    for text in texts:
        if not TAG.fullmatch(text.removeprefix("!")):
            raise Unfit(f"{text!r} is no tag: letters, digits, - _ .")
    return both(
        (lambda seen: not wanted.isdisjoint(seen.tags)) if wanted else None,
        (lambda seen: not barred.isdisjoint(seen.tags)) if barred else None,
    )
