"""result - what an import has made: tables of our configuration, and what could not be carried over. Pure.

Everything knows the place in the foreign file that it comes from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Scalar = str | int | float | bool

MAX_FILE_BYTES = 16 << 20
EVERYBODY = ("0.0.0.0/0", "::/0")


class Unreadable(Exception):
    """The file is not what it should be: place and sentence."""

    def __init__(self, place: Place, sentence: str) -> None:
        super().__init__(f"{place}: {sentence}")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file; 0 stands for the whole file."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it was read."""

    file: str
    text: str = field(repr=False)

    def at(self, line: int) -> Place:
        """The place of that line."""
        return Place(self.file, line)

    def lines(self) -> Iterator[tuple[int, str]]:
        """All lines with their numbers, counted from 1."""
        return enumerate(self.text.split("\n"), 1)


@dataclass(slots=True)
class Settings:
    """A file of names and their values. whole: its place, which stands for those that are not in it."""

    values: dict[str, Any]
    places: dict[str, Place]
    whole: Place

    def get(self, name: str, default: Any) -> Any:
        """Its value."""
        return self.values.get(name, default)

    def place(self, name: str) -> Place:
        """Where it stands."""
        return self.places.get(name, self.whole)


@dataclass(frozen=True, slots=True)
class From:
    """A value with its place and the words that stood there: it gets a comment of its own."""

    value: Value
    place: Place
    words: str = ""


Value = Scalar | list["Value"] | dict[str, "Value"] | From


@dataclass(slots=True)
class Table:
    """``[policyd.checks.LABEL]``. place and words: where it comes from, and what stood there."""

    label: str
    check: str
    place: Place
    options: dict[str, Value] = field(default_factory=dict)
    words: str = ""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that is not as it was: *what* stood there, *why* it is not carried over, or what is different now,
    and what to do *instead*, "" for nothing."""

    place: Place
    what: str
    why: str
    instead: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.what}: {self.why}{f'; {self.instead}' if self.instead else ''}"


@dataclass(slots=True)
class Result:
    """tables: in the order of the new file. different: carried over, and not quite the same. left_out: not carried
    over. skipped: settings that are about the foreign daemon itself and mean nothing here."""

    tables: list[Table] = field(default_factory=list)
    different: list[Remark] = field(default_factory=list)
    left_out: list[Remark] = field(default_factory=list)
    skipped: list[Remark] = field(default_factory=list)

    def differs(self, place: Place, what: str, how: str, instead: str = "") -> None:
        """Put down what is carried over and not quite the same."""
        self.different.append(Remark(place, what, how, instead))

    def leave(self, place: Place, what: str, why: str, instead: str = "") -> None:
        """Put down what is not carried over."""
        self.left_out.append(Remark(place, what, why, instead))

    def skip(self, place: Place, what: str) -> None:
        """Put down what is about the foreign daemon itself."""
        self.skipped.append(Remark(place, what, "is about the other daemon itself"))

    def unique(self, label: str) -> str:
        """*label*, with a number if a table has it already."""
        taken = {table.label for table in self.tables}
        number, candidate = 2, label
        while candidate in taken:
            candidate, number = f"{label}-{number}", number + 1
        return candidate
