"""backtrack - match a regular expression that no finite automaton can: back references, one-sided word edges. Pure.

Tries the alternatives one after the other, so it may take exponential time: it counts its steps and gives up.
"""

from __future__ import annotations

from collections.abc import Callable

from lda.sieve.ere import Back, Edge, Either, Group, Repeat, Sequence, Set, Tree

MAX_STEPS = 200_000

Groups = dict[int, tuple[int, int]]
Next = Callable[[int, Groups], tuple[int, Groups] | None]


class TooLong(Exception):  # becomes a failure of the script
    """The match was given up."""


def search(tree: Tree, value: str, *, fold: bool) -> list[str] | None:
    """The leftmost match in *value*: the whole and each group; None without one. Raises TooLong."""
    matcher = _Matcher(value, fold)
    try:
        for start in range(len(value) + 1):
            found = matcher.match(tree, start, {}, lambda end, groups: (end, groups))
            if found is not None:
                end, groups = found
                spans = [groups.get(index, (0, 0)) for index in range(1, max(groups, default=0) + 1)]
                return [value[start:end], *(value[a:b] for a, b in spans)]
    except RecursionError:
        raise TooLong from None
    return None


class _Matcher:
    def __init__(self, value: str, fold: bool) -> None:
        self._value = value
        self._fold = fold
        self._steps = 0

    def match(self, tree: Tree, at: int, groups: Groups, then: Next) -> tuple[int, Groups] | None:  # noqa: PLR0911
        """Match *tree* at *at*, and then what follows."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise TooLong
        match tree:
            case Set():
                fits = at < len(self._value) and _in_set(tree, ord(self._value[at]))
                return then(at + 1, groups) if fits else None
            case Edge():
                return then(at, groups) if self._edge(tree.kind, at) else None
            case Back():
                return self._back(tree, at, groups, then)
            case Group():
                return self.match(
                    tree.inner, at, groups, lambda end, inner: then(end, {**inner, tree.index: (at, end)})
                )
            case Repeat():
                return self._repeat(tree, 0, at, groups, then)
            case Sequence():
                return self._sequence(tree.items, at, groups, then)
            case Either():
                results = (self.match(branch, at, groups, then) for branch in tree.branches)
                return next((result for result in results if result is not None), None)

    def _sequence(
        self, items: tuple[Tree, ...], at: int, groups: Groups, then: Next
    ) -> tuple[int, Groups] | None:
        if not items:
            return then(at, groups)
        return self.match(
            items[0], at, groups, lambda end, inner: self._sequence(items[1:], end, inner, then)
        )

    def _repeat(
        self, tree: Repeat, count: int, at: int, groups: Groups, then: Next
    ) -> tuple[int, Groups] | None:
        """As often as possible first."""
        if tree.most is None or count < tree.most:

            def again(end: int, inner: Groups) -> tuple[int, Groups] | None:
                if end == at and count >= tree.least:
                    return None  # nothing was matched: once more would be for ever
                return self._repeat(tree, count + 1, end, inner, then)

            found = self.match(tree.inner, at, groups, again)
            if found is not None:
                return found
        return then(at, groups) if count >= tree.least else None

    def _back(self, tree: Back, at: int, groups: Groups, then: Next) -> tuple[int, Groups] | None:
        if tree.index not in groups:
            return None
        start, end = groups[tree.index]
        wanted = self._value[start:end]
        here = self._value[at : at + len(wanted)]
        same = wanted.lower() == here.lower() if self._fold else wanted == here
        return then(at + len(wanted), groups) if same else None

    def _edge(self, kind: str, at: int) -> bool:
        if kind == "^":
            return at == 0
        if kind == "$":
            return at == len(self._value)
        before = at > 0 and _is_word(self._value[at - 1])
        after = at < len(self._value) and _is_word(self._value[at])
        return {
            "b": before != after,
            "B": before == after,
            "<": after and not before,
            ">": before and not after,
        }[kind]


def _in_set(tree: Set, code: int) -> bool:
    return any(low <= code <= high for low, high in tree.ranges) != tree.negated


def _is_word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")
