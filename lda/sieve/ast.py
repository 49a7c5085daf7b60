"""ast - a script as written: frozen nodes with their place. It knows the grammar and no command.

RFC 5228 section 8.2. Strings are text: escapes and dot-stuffing are gone, line ends are CRLF, octets that are
not UTF-8 are lone surrogates (PEP 383), so that any script survives a round trip.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """line, column: of its first character, counted from 1, columns in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class String(Node):
    """A quoted or multi-line string."""

    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StringList(Node):
    """Strings in brackets; a single string without brackets is a `String`."""

    items: tuple[String, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Node):
    """A number with its K, M or G applied."""

    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag(Node):
    """A tag. name: lower case with its colon, ``:copy``."""

    name: str


Argument = String | StringList | Number | Tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Test(Node):
    """A test. name: lower case. listed: its sub-tests stood in parentheses."""

    name: str
    arguments: tuple[Argument, ...] = ()
    tests: tuple[Test, ...] = ()
    listed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Test):
    """A command. block: its commands; None if it ended with a semicolon.

    comments: the hash comments before a top-level command, where editors write the names of rules."""

    block: tuple[Command, ...] | None = None
    comments: tuple[str, ...] = ()


def strings_of(argument: Argument) -> Iterator[String]:
    """The strings of a string or a list; nothing of anything else."""
    if isinstance(argument, String):
        yield argument
    elif isinstance(argument, StringList):
        yield from argument.items
