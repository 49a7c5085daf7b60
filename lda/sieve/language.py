"""language - how a command, a test or a tag is declared, and the table of all that are known.

A command is a frozen dataclass whose fields are its arguments; each field says with one call how it is written:

    @dataclass(frozen=True, slots=True, kw_only=True)
    class FileInto(Action):
        mailbox: Text = string("mailbox")
        name: ClassVar[str] = "fileinto"

Positional arguments come in the order of the fields. Other extensions add tags to it (`Tag.on`), new comparators,
match types, address parts: each a row of an `Extension`, none of them known to the command itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from lda.sieve.ast import Node
from lda.sieve.diagnostics import Severity
from lda.sieve.plan import Source

if TYPE_CHECKING:
    from lda.sieve.compile import Build, Code
    from lda.sieve.machine import Frame
    from lda.sieve.match import AddressPart, Comparator, MatchType
    from lda.sieve.scope import Scope
    from lda.sieve.text import Reference

Predicate = Callable[["Frame"], bool]


class Kind(Enum):
    """What an argument may be; the value is how a diagnostic names it."""

    STRING = "a string"
    STRINGS = "a string list"
    NUMBER = "a number"


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something wrong with a statement that the grammar cannot see. at: the argument; None: the statement."""

    text: str
    at: Node | None = None
    hint: str = ""
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Positional:
    """An argument known by its place. constant: no variables in it. optional: it may be left out (first or last)."""

    label: str
    kind: Kind
    constant: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Tagged:
    """An argument after a tag of its own; without `kind` the tag alone says it (bool).

    excludes: a word shared by tags of which one may be given."""

    tag: str
    kind: Kind | None = None
    constant: bool = False
    excludes: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Exactly one of these tags."""

    tags: tuple[str, ...]


class Group(Enum):
    """A set of tags of which one may be given, and to which extensions add; the value names it in diagnostics."""

    COMPARATOR = ":comparator"
    MATCH_TYPE = "MATCH-TYPE"
    ADDRESS_PART = "ADDRESS-PART"


@dataclass(frozen=True, slots=True)
class Subtests:
    """One test, or a list of them in parentheses. stop: a constant result after which the rest is unreachable."""

    many: bool = False
    stop: bool | None = None


def _field(spec: object, **options: Any) -> Any:
    return dataclasses.field(metadata={"spec": spec}, **options)


def string(label: str, *, constant: bool = False) -> Any:
    """A string argument: `Text`."""
    return _field(Positional(label, Kind.STRING, constant))


def optional_string(label: str, *, constant: bool = False) -> Any:
    """A first string argument that may be missing: `Text | None`."""
    return _field(Positional(label, Kind.STRING, constant, optional=True), default=None)


def strings(label: str, *, constant: bool = False) -> Any:
    """A string list argument: `Texts`."""
    return _field(Positional(label, Kind.STRINGS, constant))


def optional_strings(label: str) -> Any:
    """A first or last string list argument that may be missing: `Texts | None`."""
    return _field(Positional(label, Kind.STRINGS, optional=True), default=None)


def number(label: str) -> Any:
    """A number argument: `int`."""
    return _field(Positional(label, Kind.NUMBER))


def flag(tag: str, *, excludes: str = "") -> Any:
    """A tag without argument: `bool`."""
    return _field(Tagged(tag, excludes=excludes), default=False)


def tagged(tag: str, kind: Kind, *, constant: bool = False, excludes: str = "") -> Any:
    """A tag with an argument: `Text`, `Texts` or `int`, or None."""
    return _field(Tagged(tag, kind, constant, excludes), default=None)


def choice(*tags: str) -> Any:
    """One of several tags, which must be given: `str`."""
    return _field(Choice(tags))


def group(which: Group) -> Any:
    """The comparator, match type or address part that was chosen, or the default."""
    return _field(which)


def subtest() -> Any:
    """One test: `Test`."""
    return _field(Subtests())


def subtests(stop: bool | None = None) -> Any:
    """Tests in parentheses: `tuple[Test, ...]`."""
    return _field(Subtests(many=True, stop=stop))


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One statement of a script, its arguments checked. source: where it stands; tags: those of extensions."""

    source: Source
    node: Node
    tags: tuple[Tag, ...] = ()

    name: ClassVar[str] = ""
    asks: ClassVar[bool] = False
    """It may put a question to the host; the machine then runs it again with the answer."""

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        """What is wrong with the arguments beyond their number and kind."""
        return iter(())

    @property
    def subject(self) -> str:
        """How a finding names it: ``the header test``."""
        return f"the {self.name} {'test' if isinstance(self, Test) else 'command'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag(Item):
    """A tag that an extension adds to the statements named in `on`; its one field, if any, is its argument."""

    on: ClassVar[frozenset[str]] = frozenset()

    def among(self, item: Item) -> Iterator[Complaint]:
        """What is wrong with this tag in *item*, beside its other tags."""
        return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Test(Item):
    """A test. Override `holds`, or `predicate` where something can be prepared once for all runs."""

    def holds(self, frame: Frame) -> bool:
        """The result."""
        raise NotImplementedError

    def predicate(self, build: Build) -> Predicate:
        """A function that evaluates this test."""
        return self.holds

    def facts(self, frame: Frame) -> Iterator[tuple[str, str]]:
        """What a trace says the test has looked at, if that is not what it has compared: names and what was there."""
        return iter(())

    def constant(self, scope: Scope) -> bool | None:
        """The result, if it is the same for every message."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Item):
    """A command. Override `act`, or `emit` where it changes what is run next.

    body: its block, if `block`. follows: the commands that must stand directly before it. heads: only others of
    its kind may stand before it, and no block around it."""

    body: tuple[Command, ...] = ()

    block: ClassVar[bool] = False
    follows: ClassVar[frozenset[str]] = frozenset()
    heads: ClassVar[bool] = False

    def act(self, frame: Frame) -> None:
        """Do it: change the frame."""
        raise NotImplementedError

    def emit(self, code: Code) -> None:
        """Add the operations of this command to *code*."""
        code.step(self, self.act)


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """Variables with a prefix, ``${name.rest}``. refer: what a reference means, or the complaint about it.

    assign: how `set` writes to it; None: it cannot be set."""

    name: str
    refer: Callable[[str, Scope], Reference | Complaint]
    assign: Callable[[str, Scope], Callable[[Frame, str], None] | Complaint] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """One capability string and all that it adds to the language. One file an RFC, one row in the table.

    implies: capabilities that come with it. wants: those that must be required beside it.
    decode, split: how strings are read when it is in force.
    grammar: it changes how a script is read, so that `ihave` cannot turn it on (RFC 5463 section 4)."""

    capability: str
    commands: tuple[type[Command], ...] = ()
    tests: tuple[type[Test], ...] = ()
    tags: tuple[type[Tag], ...] = ()
    comparators: tuple[Comparator, ...] = ()
    match_types: tuple[MatchType, ...] = ()
    address_parts: tuple[AddressPart, ...] = ()
    namespaces: tuple[Namespace, ...] = ()
    implies: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    decode: Callable[[str], str | Complaint] | None = None
    split: Callable[[str, Scope], Sequence[str | Reference] | Complaint] | None = None
    grammar: bool = False
