"""logic - several texts of one condition: one must fit, and none of those that begin with ``!``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

S = TypeVar("S")
Predicate = Callable[[S], bool]


def both(wanted: Predicate[S] | None, barred: Predicate[S] | None) -> Predicate[S]:
    """*wanted*, if there is one, and not *barred*."""
    if barred is None:
        assert wanted is not None  # a condition has at least one text
        return wanted
    if wanted is None:
        return lambda seen: not barred(seen)
    return lambda seen: wanted(seen) and not barred(seen)


def any_of(tests: list[Predicate[S]]) -> Predicate[S] | None:
    """Whether one holds; None for none."""
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]
    held = tuple(tests)

    def one(seen: S) -> bool:
        for test in held:  # noqa: SIM110 - any() makes a generator for each request
            if test(seen):
                return True
        return False

    return one


def parted(texts: Iterable[str], one: Callable[[str], Predicate[S]]) -> Predicate[S]:
    """What *texts* mean together, each as *one* reads it."""
    wanted, barred = sides(texts)
    return both(any_of([one(text) for text in wanted]), any_of([one(text) for text in barred]))


def sides(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Those without ``!``, and those with it, without it."""
    wanted: list[str] = []
    barred: list[str] = []
    for text in texts:
        (barred if text[:1] == "!" else wanted).append(text.removeprefix("!"))
    return wanted, barred
