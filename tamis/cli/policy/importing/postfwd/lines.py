"""lines - a postfwd file as rules: lines are joined, macros replaced, items taken apart. Pure.

id=R1                                  an item stands as NAME OPERATOR VALUE, items are parted by ;
    client_address=192.0.2.0/24        what is indented belongs to the rule above
    &&FREEMAIL                         a macro: its items stand here
    action=REJECT no
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tamis.cli.policy.importing.result import Place, Result, Source

MAX_EXPANSIONS = 200
MAX_RULE_CHARS = 1 << 20

_MACRO = re.compile(r"\s*(&&[-\w]+)\s*\{\s*(.*?)\s*;?\s*\}[\s;]*", re.ASCII | re.DOTALL)
_USED = re.compile(r"\s*(&&[-\w]+)\s*", re.ASCII)
_OPERATOR = re.compile(r"[=~<>]=|[<>]|[=!][=~<>]|=")
_SWAPPED = {"<=": "=<", ">=": "=>", "~=": "=~"}

# Read from left to right as one value, whatever commas it holds; the last of several counts.
SINGLE = frozenset({"id", "action", "score", "rblcount", "rhsblcount"})
_LISTED = frozenset({
    "client_address", "sender_ns_addrs", "sender_mx_addrs", "helo_address", "rbl", "rhsbl",
    "rhsbl_client", "rhsbl_helo", "rhsbl_sender", "rhsbl_reverse_client", "date", "time", "days",
    "months",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """A condition. operator: as postfwd writes it, ``=`` ``==`` ``=~`` ``!=`` ``!~`` ``=>`` ``=<`` ``>`` ``<`` ``!>``
    ``!<``. negated: its value stood behind ``!!``."""

    name: str
    operator: str
    value: str
    negated: bool = False

    def __str__(self) -> str:
        return f"{self.name}{self.operator}{'!!' if self.negated else ''}{self.value}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: it hits if of each name one item is true. id: "" where it has none."""

    place: Place
    words: str
    id: str
    action: str
    items: tuple[Item, ...]
    singles: dict[str, str]

    @property
    def name(self) -> str:
        """How the admin knows it."""
        return f"rule {self.id}" if self.id else "a rule without id"


def rules(source: Source, macros: dict[str, str], result: Result) -> Iterator[Rule]:
    """The rules of a file, in their order. *macros* are known already and get those of the file."""
    for number, line in _logical(source):
        place = source.at(number)
        if found := _MACRO.fullmatch(line):
            macros[found[1]] = found[2]
            continue
        expanded = _expanded(line, macros)
        if expanded is None:
            unknown = next(
                (m[1] for m in _USED.finditer(line) if m[1] not in macros), "a macro that names itself"
            )
            result.leave(place, _short(line), f"{unknown} is not defined: postfwd ignores the rule too")
            continue
        if rule := _rule(expanded, _short(line), place, result):
            yield rule


def _logical(source: Source) -> Iterator[tuple[int, str]]:
    """Lines as postfwd joins them, each with the number of its first."""
    held: list[tuple[int, str]] = []
    first, buffer = 0, ""
    for number, raw in source.lines():
        line = re.sub(r'"|#.*', "", raw)
        if not line.strip():
            continue
        first = first if buffer else number
        stripped = line.rstrip()
        if stripped.endswith(("\\", "{")):
            buffer += stripped.removesuffix("\\")
            continue
        buffer += line
        if held and re.match(r"\}|\s+\S", buffer) and len(held[-1][1]) < MAX_RULE_CHARS:
            start, last = held[-1]
            held[-1] = start, last + ("" if last.rstrip().endswith(";") else ";") + buffer
        else:
            yield from held
            held = [(first, buffer)]
        buffer = ""
    yield from held
    if buffer:
        yield first, buffer


def _expanded(line: str, macros: dict[str, str]) -> str | None:
    """With its macros replaced; None where one is unknown, or has itself inside."""
    for _ in range(MAX_EXPANSIONS):
        found = _USED.search(line)
        if found is None:
            return line
        if found[1] not in macros or len(line) > MAX_RULE_CHARS:
            return None
        line = f"{line[: found.start()]}{macros[found[1]]}{line[found.end() :]}"
    return None


def _short(line: str) -> str:
    return " ".join(line.split())[:200]


def _rule(line: str, words: str, place: Place, result: Result) -> Rule | None:
    singles: dict[str, str] = {}
    items: list[Item] = []
    for part in line.split(";"):
        if not part.strip():
            continue
        found = _OPERATOR.search(part)
        name, value = (part[: found.start()].strip(), part[found.end() :].strip()) if found else ("", "")
        if found is None or not name or not value or " " in name:
            result.leave(place, words, f"{part.strip()!r} is no item: postfwd ignores the rule too")
            return None
        operator = _SWAPPED.get(found[0], found[0])
        if name in SINGLE:
            singles[name] = value
        else:
            values = value.split(",") if name in _LISTED else [value]
            items += [_item(name, operator, one.strip()) for one in values if one.strip()]
    if "action" not in singles:
        result.leave(place, words, "has no action: postfwd ignores the rule too")
        return None
    return Rule(place, words, singles.get("id", ""), singles["action"], tuple(items), singles)


_NEGATED = re.compile(r"!!\s*\(?\s*(.+?)\s*\)?", re.DOTALL)


def _item(name: str, operator: str, value: str) -> Item:
    if found := _NEGATED.fullmatch(value):
        return Item(name, operator, found[1], negated=True)
    return Item(name, operator, value)
