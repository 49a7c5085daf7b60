"""variables - what rules of postfwd set for rules behind them: constants are tags, counts checks of lists. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tamis.cli.policy.importing.postfwd.conditions import bare
from tamis.cli.policy.importing.postfwd.lines import Item, Rule
from tamis.cli.policy.importing.postfwd.lists import COUNTS, Checks, Listed
from tamis.cli.policy.importing.postfwd.values import NotOurs
from tamis.cli.policy.importing.result import Place, Value

_ASSIGNMENT = re.compile(r"\s*([^=]+?)\s*([.\-*/+=]=|=[.\-*/+=]|=)\s*(.*?)\s*", re.DOTALL)
_OF_COUNT = {f"$${count}": kind for kind, count in COUNTS.items()} | {
    f"$$({count})": kind for kind, count in COUNTS.items()
}
_TEXT = "$$dnsbltext"


@dataclass(frozen=True, slots=True)
class Assignment:
    """``name=value`` of a set(). adds: it is +=."""

    name: str
    value: str
    adds: bool

    @property
    def kind(self) -> str:
        """Of which lists it is the number of hits: ``rbl``, ``rhsbl``; "" for a constant."""
        return _OF_COUNT.get(self.value, "")


def assignments(argument: str) -> list[Assignment]:
    """Those of ``set(...)`` but for texts of lists, which have no counterpart and do no harm. Raises NotOurs."""
    found = []
    for part in argument.split(","):
        parsed = _ASSIGNMENT.fullmatch(part)
        if not parsed or parsed[2] not in {"=", "==", "+=", "=+"}:
            raise NotOurs(f"{part.strip()} is no assignment of a constant")
        one = Assignment(parsed[1], parsed[3], "+" in parsed[2])
        if one.value == _TEXT:
            continue
        if not one.kind and ("$" in one.value or one.adds):
            raise NotOurs(f"{part.strip()} reckons", "use score in rules")
        found.append(one)
    return found


def tag(name: str, value: str) -> str:
    """The tag that stands for an attribute with that value."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", f"{name}.{value}")[:64]


@dataclass(slots=True)
class Variables:
    """All that rules set. constants: the values of each. lists: those whose hits a name counts, with its rule. names:
    all of them, even of rules that cannot be carried over."""

    checks: Checks
    names: set[str] = field(default_factory=set)
    constants: dict[str, set[str]] = field(default_factory=dict)
    lists: dict[str, tuple[tuple[Listed, ...], str, Place]] = field(default_factory=dict)

    def learn(self, argument: str) -> None:
        """Know what a set() sets before any rule is read."""
        parts = map(_ASSIGNMENT.fullmatch, argument.split(","))
        self.names |= {part[1] for part in parts if part}
        try:
            found = assignments(argument)
        except NotOurs:
            return  # who builds the rule says so
        for one in found:
            if not one.kind:
                self.constants.setdefault(one.name, set()).add(one.value)

    def count(self, one: Assignment, lists: tuple[Listed, ...], label: str, rule: Rule) -> None:
        """The number of hits among *lists*, added to what the name has where it is +=."""
        before = self.lists[one.name][0] if one.adds and one.name in self.lists else ()
        self.lists[one.name] = (tuple(dict.fromkeys((*before, *lists))), label, rule.place)

    def condition(self, name: str, items: list[Item]) -> dict[str, Value] | None:
        """What *items* on the attribute *name* mean; None for one that no rule sets. Raises NotOurs."""
        if name in self.lists:
            return self._hits(name, items)
        if name in self.constants:
            return self._constant(name, items)
        if name in self.names:
            raise NotOurs(f"{name} is set by a rule that is not carried over")
        return None

    def _hits(self, name: str, items: list[Item]) -> dict[str, Value]:
        lists, label, place = self.lists[name]
        if len(items) == 1 and items[0].value.isdecimal() and not items[0].negated:
            number = int(items[0].value)
            match items[0].operator:
                case "=>" if number:
                    return self.checks.condition(lists, number, label, place)
                case ">":
                    return self.checks.condition(lists, number + 1, label, place)
        raise NotOurs(f"{name} counts hits of lists, and is compared with >= alone")

    def _constant(self, name: str, items: list[Item]) -> dict[str, Value]:
        if len(self.constants[name]) > 1:
            raise NotOurs(f"{name} is set to several values", "use a tag for each")
        [value] = self.constants[name]
        held, unset = (any(_true(item, one) for item in items) for one in (value, ""))
        if held == unset:
            if held:
                return {}
            raise NotOurs(f"it never holds, for {name} is {value} or nothing")
        return {"tag": tag(name, value) if held else f"!{tag(name, value)}"}


def _true(item: Item, value: str) -> bool:
    """Whether postfwd takes a condition for true of *value*."""
    return _compared(item, value) != item.negated


def _compared(item: Item, value: str) -> bool:
    if item.operator in _NUMERIC:
        try:
            return _NUMERIC[item.operator](float(value or 0), float(item.value or 0))
        except ValueError:
            raise NotOurs(f"{item} compares no numbers") from None
    if item.operator == "==":
        return bool(value) and value.lower() == item.value.lower()
    if item.operator == "!=":
        return bool(value) and value.lower() != item.value.lower()
    try:
        return bool(re.search(bare(item.value), value, re.IGNORECASE)) != (item.operator == "!~")
    except re.error as exc:
        raise NotOurs(f"{item.value} is no expression: {exc}") from None


_NUMERIC: dict[str, Callable[[float, float], bool]] = {
    "=>": lambda a, b: a >= b,
    "=<": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "!>": lambda a, b: not a >= b,
    "!<": lambda a, b: not a <= b,
}
