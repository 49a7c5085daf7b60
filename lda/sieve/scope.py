"""scope - what one script may use: the whole language, the part of it that `require` turned on, the findings.

A word that exists but is not required is unknown, as RFC 5228 section 2.10.5 demands; the finding then says
which capability to require.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from lda.sieve.ast import Node, String
from lda.sieve.diagnostics import Diagnostic, Severity
from lda.sieve.includes import Includes
from lda.sieve.language import Command, Complaint, Extension, Namespace, Tag, Test
from lda.sieve.lex import Lines
from lda.sieve.limits import Limits
from lda.sieve.match import AddressPart, Comparator, MatchType
from lda.sieve.plan import Source
from lda.sieve.text import Reference, Text

Row = TypeVar("Row")

BASE = ""
"""The capability of what every script may use."""


class Language:
    """The rows of all extensions by name, each with its capability."""

    def __init__(self, extensions: Iterable[Extension]) -> None:
        self.extensions = {extension.capability: extension for extension in extensions}
        rows = self.extensions.values()
        self.commands: list[tuple[str, type[Command]]] = [(e.capability, c) for e in rows for c in e.commands]
        self.tests: list[tuple[str, type[Test]]] = [(e.capability, t) for e in rows for t in e.tests]
        self.tags: list[tuple[str, type[Tag]]] = [(e.capability, t) for e in rows for t in e.tags]
        self.comparators: list[tuple[str, Comparator]] = [
            (e.capability, c) for e in rows for c in e.comparators
        ]
        self.match_types: list[tuple[str, MatchType]] = [
            (e.capability, m) for e in rows for m in e.match_types
        ]
        self.address_parts: list[tuple[str, AddressPart]] = [
            (e.capability, a) for e in rows for a in e.address_parts
        ]
        self.namespaces: list[tuple[str, Namespace]] = [(e.capability, n) for e in rows for n in e.namespaces]

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Everything that `require` accepts, sorted."""
        return tuple(sorted(name for name in self.extensions if name))


class Scope:
    """The state of one validation."""

    def __init__(
        self, language: Language, lines: Lines, limits: Limits, name: str, includes: Includes
    ) -> None:
        self.language = language
        self.limits = limits
        self.name = name
        self.includes = includes
        self.enabled = {BASE, "comparator-i;octet", "comparator-i;ascii-casemap"}
        self.diagnostics: list[Diagnostic] = []
        self.failed = False
        """There is an error among the findings, recorded or not."""
        self.variables: set[str] = set()
        self.enclosing: list[str] = []
        """The names of the block commands around the one that is being checked."""
        self.blocks: list[Node] = []
        """Those commands as they are written."""
        self.aliases: dict[str, Namespace] = {}
        """Plain names of variables that live in a namespace (``global`` of RFC 6609)."""
        self._lines = lines
        self._reported: set[tuple[str, ...]] = set()

    # -- capabilities

    def require(self, capability: str) -> bool:
        """Turn *capability* on with all that it implies; False if it is unknown."""
        extension = self.language.extensions.get(capability)
        if extension is None or not capability:
            return capability in self.enabled and capability != BASE
        self.enabled.add(capability)
        for implied in extension.implies:
            self.require(implied)
        return True

    def visible(self, rows: Iterable[tuple[str, Row]]) -> Iterator[Row]:
        """The rows whose capability is on."""
        return (row for capability, row in rows if capability in self.enabled)

    @property
    def captures(self) -> bool:
        """Matches leave match variables behind."""
        return "variables" in self.enabled

    # -- findings

    def source(self, node: Node) -> Source:
        """Where *node* stands."""
        return Source(self.name, node.line, node.column)

    def report(self, complaint: Complaint, statement: Node, *, follows: bool = False) -> None:
        """Record *complaint* about *statement*; those past the limit only count."""
        self.failed = self.failed or complaint.severity is Severity.ERROR
        if len(self.diagnostics) >= self.limits.errors:
            return
        where = complaint.at or statement
        self.diagnostics.append(
            Diagnostic(
                source=self.source(where),
                text=complaint.text,
                hint=complaint.hint,
                severity=complaint.severity,
                follows=follows,
                source_line=self._lines.text(where.line),
            )
        )

    def adopt(self, diagnostics: Sequence[Diagnostic]) -> None:
        """Record what was found in another script that belongs to this one."""
        self.failed = self.failed or any(d.severity is Severity.ERROR for d in diagnostics)
        self.diagnostics += diagnostics[: max(0, self.limits.errors - len(self.diagnostics))]

    def first_time(self, *words: str) -> bool:
        """Whether this is the first report about *words*: an unknown name is reported once."""
        if words in self._reported:
            return False
        self._reported.add(words)
        return True

    # -- strings

    def text(self, node: String) -> Text | Complaint:
        """The string *node* with its references resolved."""
        value: str = node.value
        if "${" not in value:
            return Text(node, (value,))
        active = [self.language.extensions[name] for name in self.language.extensions if name in self.enabled]
        for extension in active:
            if extension.decode is not None:
                decoded = extension.decode(value)
                if isinstance(decoded, Complaint):
                    return _at(decoded, node)
                value = decoded
        parts: Sequence[str | Reference] = (value,)
        for extension in active:
            if extension.split is not None:
                split = extension.split(value, self)
                if isinstance(split, Complaint):
                    return _at(split, node)
                parts = split
        return Text(node, parts)


def _at(complaint: Complaint, node: Node) -> Complaint:
    return Complaint(complaint.text, complaint.at or node, complaint.hint, complaint.severity)


def near(word: str, known: Iterable[str]) -> str:
    """A hint that names what was probably meant, or ""."""
    close = difflib.get_close_matches(word, sorted(set(known)), n=1, cutoff=0.7)
    return f"did you mean '{close[0]}'?" if close else ""


def needs(capability: str) -> str:
    """The hint that mends a missing require."""
    return f'add "{capability}" to the require at the top of the script'
