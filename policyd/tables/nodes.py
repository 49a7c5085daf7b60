"""nodes - the entries of a table that is searched from top to bottom: first match wins, ``if`` and ``endif`` nest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from policyd.tables.lines import BadLine, BadTable, logical_lines, split_entry
from policyd.tables.rule import Author, Rule

MAX_DEPTH = 20
MAX_PROBLEMS = 20

Match = Callable[[str], tuple[str, ...] | None]
Found = tuple[Rule, tuple[str, ...]]


class Node(Protocol):
    """Something that may have an answer for a value."""

    def find(self, value: str) -> Found | None:
        """The rule and what was captured; None to go on."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One line."""

    match: Match
    rule: Rule

    def find(self, value: str) -> Found | None:
        groups = self.match(value)
        return None if groups is None else (self.rule, groups)


@dataclass(frozen=True, slots=True)
class Block:
    """``if`` and what stands before its ``endif``."""

    match: Match
    inner: tuple[Node, ...]

    def find(self, value: str) -> Found | None:
        return None if self.match(value) is None else first(self.inner, value)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A pattern. plain: it is a bare key, which a *Reader* may collect with its neighbours."""

    match: Match
    groups: int = -1


class Reader(Protocol):
    """How the patterns of one kind of table are written. most: entries, and blocks, side by side."""

    most: int

    def split(self, line: str) -> tuple[str, str]:
        """Pattern and action; "" where there is none. Raises BadLine."""
        ...

    def pattern(self, text: str) -> Parsed:
        """Raises BadLine."""
        ...

    def gathered(self, nodes: list[tuple[str, Node]]) -> tuple[Node, ...]:
        """Nodes with their patterns ("" for blocks), brought into a form that is quick to search."""
        ...


def first(nodes: tuple[Node, ...], value: str) -> Found | None:
    """The first answer."""
    for node in nodes:
        if found := node.find(value):
            return found
    return None


def negated(match: Match) -> Match:
    """``!pattern``."""
    return lambda value: () if match(value) is None else None


def read_nodes(text: str, reader: Reader, author: Author) -> tuple[Node, ...]:
    """The whole table. Raises BadTable with all that is wrong."""
    problems: list[str] = []
    stack: list[tuple[int, Match | None, list[tuple[str, Node]]]] = [(0, None, [])]
    for number, line in logical_lines(text):
        try:
            _take(number, line, reader, author, stack)
        except BadLine as exc:
            problems.append(f"{number}: {exc}")
    problems += [f"{opened}: this if has no endif" for opened, _, _ in stack[1:]]
    if len(stack[0][2]) > reader.most:
        problems.append(f"0: more than {reader.most} entries, each of which is tried")
    if problems:
        raise BadTable(problems[:MAX_PROBLEMS])
    return reader.gathered(stack[0][2])


def _take(
    number: int,
    line: str,
    reader: Reader,
    author: Author,
    stack: list[tuple[int, Match | None, list[tuple[str, Node]]]],
) -> None:
    word = line.split(maxsplit=1)[0].lower()
    if word == "endif":
        if len(stack) == 1:
            raise BadLine("endif without if")
        _, match, inner = stack.pop()
        assert match is not None
        stack[-1][2].append(("", Block(match, reader.gathered(inner))))
    elif word == "if":
        if len(stack) > MAX_DEPTH:
            raise BadLine(f"more than {MAX_DEPTH} if in each other")
        condition, rest = reader.split(line[2:].strip())
        if rest:
            raise BadLine(f"{rest!r} stands behind the condition")
        stack.append((number, reader.pattern(condition).match, []))
    else:
        pattern, action = reader.split(line)
        if not action:
            raise BadLine(f"{pattern} has no action")
        parsed = reader.pattern(pattern)
        entry = Entry(parsed.match, author.rule(number, action, parsed.groups))
        stack[-1][2].append((pattern, entry))


def words(line: str) -> tuple[str, str]:
    """A pattern that ends at the first blank, and its action, which may be missing."""
    try:
        return split_entry(line)
    except BadLine:
        return line, ""
