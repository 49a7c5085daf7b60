"""arguments - the arguments of one statement, read against its declaration (RFC 5228 section 2.6).

Tags come first, in any order, each at most once, with what belongs to them; then the positional arguments. Where
tags come from: the statement's own fields, the groups it takes part in (match types, comparators, address
parts), and the extensions that add tags to it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from lda.sieve import ast
from lda.sieve.address_part import ALL
from lda.sieve.language import Choice, Complaint, Group, Item, Kind, Positional, Subtests, Tag, Tagged
from lda.sieve.match import ASCII_CASEMAP, IS, Comparator, Match
from lda.sieve.scope import Scope, near, needs
from lda.sieve.text import Text


@dataclass(frozen=True, slots=True)
class Signature:
    """The declaration of one statement, sorted out. Each pair: the field's name and what it said."""

    positional: tuple[tuple[str, Positional], ...]
    tagged: tuple[tuple[str, Tagged], ...]
    choices: tuple[tuple[str, Choice], ...]
    groups: tuple[tuple[str, Group], ...]
    subtests: tuple[str, Subtests] | None


def signature(kind: type[Item]) -> Signature:
    """The signature of *kind*."""
    return _signature(kind)  # type: ignore[arg-type]  # mypy takes no dataclass type for hashable


@cache
def _signature(kind: type[Item]) -> Signature:
    specs = [(f.name, f.metadata["spec"]) for f in dataclasses.fields(kind) if "spec" in f.metadata]
    return Signature(
        tuple((n, s) for n, s in specs if isinstance(s, Positional)),
        tuple((n, s) for n, s in specs if isinstance(s, Tagged)),
        tuple((n, s) for n, s in specs if isinstance(s, Choice)),
        tuple((n, s) for n, s in specs if isinstance(s, Group)),
        next(((n, s) for n, s in specs if isinstance(s, Subtests)), None),
    )


@dataclass(frozen=True, slots=True)
class _Use:
    """One tag that may be given. field: where its value goes; exclusive: what it shares a place with."""

    tag: str
    field: str
    exclusive: str
    row: Any = None
    kind: Kind | None = None
    constant: bool = False


class Arguments:
    """Reads the arguments of *node*. complaints: what is wrong with them, first things first."""

    def __init__(self, node: ast.Test, kind: type[Item], scope: Scope, what: str) -> None:
        self._node = node
        self._kind = kind
        self._scope = scope
        self._subject = f"the {node.name} {what}"
        self._signature = signature(kind)
        self._given: dict[str, str] = {}
        self.complaints: list[Complaint] = []
        self.silent = False
        """Something is wrong that has been reported before."""

    def read(self) -> dict[str, Any]:
        """The fields' values; incomplete if there are complaints."""
        values = self._defaults()
        tags: list[Tag] = []
        rest = list(self._node.arguments)
        while rest and isinstance(tag := rest[0], ast.Tag):
            del rest[0]
            use = self._use(tag)
            if use is None:
                self._unknown_tag(tag)
                if rest and not isinstance(rest[0], ast.Tag):
                    return values  # what follows may belong to the unknown tag
                continue
            value = self._value_after(use, rest)
            if isinstance(use.row, type) and issubclass(use.row, Tag):
                tags += self._added(use, tag, value)
            else:
                values[use.field] = self._chosen(use, value)
        values["tags"] = tuple(tags)
        self._choices()
        self._positional(rest, values)
        return values

    # -- tags

    def _defaults(self) -> dict[str, Any]:
        comparator = getattr(self._kind, "default_comparator", ASCII_CASEMAP)
        defaults = {Group.COMPARATOR: comparator, Group.MATCH_TYPE: Match(IS), Group.ADDRESS_PART: ALL}
        return {name: defaults[group] for name, group in self._signature.groups}

    @staticmethod
    def tags_of(name: str, scope: Scope) -> Iterator[str]:
        """Every tag that the statement *name* may have, with whatever extension."""
        for _, kind in (*scope.language.commands, *scope.language.tests):
            if kind.name == name:
                yield from (use.tag for _, use in _uses(kind, scope))

    def _use(self, tag: ast.Tag) -> _Use | None:
        for capability, use in _uses(self._kind, self._scope):
            if use.tag == tag.name and capability in self._scope.enabled:
                return self._once(use, tag)
        return None

    def _once(self, use: _Use, tag: ast.Tag) -> _Use:
        earlier = self._given.get(use.exclusive)
        if earlier is not None:
            self._complain(self._twice(use, earlier), tag)
        self._given.setdefault(use.exclusive, use.tag)
        return use

    def _twice(self, use: _Use, earlier: str) -> str:
        if use.exclusive == use.tag:
            return f"encountered duplicate {use.tag} argument for {self._subject}"
        if isinstance(use.row, Choice):
            words = " or ".join(f"'{t}'" for t in use.row.tags)
            return (
                f"exactly one of the {words} tags must be specified for {self._subject}, but more were found"
            )
        if use.exclusive.isupper():
            return f"encountered duplicate {use.exclusive} argument ({use.tag}) for {self._subject}"
        return f"the {earlier} and {use.tag} tags cannot both be specified for {self._subject}"

    def _unknown_tag(self, tag: ast.Tag) -> None:
        first = not (self.complaints or self.silent)  # a later one comes up again, when this one is mended
        if first and not self._scope.first_time("tag", self._node.name, tag.name):
            self.silent = True
            return
        uses = list(_uses(self._kind, self._scope))
        capability = next((capability for capability, use in uses if use.tag == tag.name), "")
        self._complain(
            f"unknown tagged argument '{tag.name}' for {self._subject} (reported only once at first occurrence)",
            tag,
            needs(capability) if capability else near(tag.name, (use.tag for _, use in uses)),
        )

    def _value_after(self, use: _Use, rest: list[ast.Argument]) -> Any:
        """The argument of a tag, taken from *rest*; None if it has none or a wrong one."""
        if use.kind is None:
            return None
        wanted = f"the {use.tag} tag for {self._subject} requires {use.kind.value} as parameter"
        if not rest or isinstance(rest[0], ast.Tag):
            self._complain(f"{wanted}, but none was found", rest[0] if rest else None)
            return None
        argument = rest.pop(0)
        if not _fits(argument, use.kind):
            self._complain(f"{wanted}, but {_named(argument)} was found", argument)
            return None
        return self._value(argument, use.kind, use.constant, f"{wanted}, but it is not constant")

    def _chosen(self, use: _Use, value: Any) -> Any:
        """What a tag of the statement itself or of one of its groups means."""
        if use.exclusive == Group.COMPARATOR.value:
            return self._comparator(value)
        if use.exclusive == Group.MATCH_TYPE.value:
            return Match(use.row, (value.value or "") if isinstance(value, Text) else "")
        if use.exclusive == Group.ADDRESS_PART.value:
            return use.row
        if isinstance(use.row, Choice):
            return use.tag
        return True if use.kind is None else value

    def _comparator(self, value: Any) -> Comparator:
        if not isinstance(value, Text):
            return ASCII_CASEMAP
        rows = self._scope.language.comparators
        for row in self._scope.visible(rows):
            if row.name == value.value:
                return row
        capability = next((capability for capability, row in rows if row.name == value.value), "")
        hint = needs(capability) if capability else near(value.value or "", (row.name for _, row in rows))
        self._complain(f"unknown comparator '{value.value}'", value.node, hint)
        return ASCII_CASEMAP

    def _added(self, use: _Use, tag: ast.Tag, value: Any) -> list[Tag]:
        """The tag of an extension as an item of its own."""
        fields = signature(use.row).positional
        if fields and value is None:
            return []
        values = {fields[0][0]: value} if fields else {}
        made: Tag = use.row(source=self._scope.source(tag), node=tag, **values)
        return [made]

    def _choices(self) -> None:
        for _, spec in self._signature.choices:
            if not any(tag in self._given.values() for tag in spec.tags):
                words = " or ".join(f"the {tag}" for tag in spec.tags)
                self._complain(f"{self._subject} requires either {words} tag to be specified", None)

    # -- positional arguments

    def _positional(self, rest: list[ast.Argument], values: dict[str, Any]) -> None:
        for argument in rest:
            if isinstance(argument, ast.Tag):
                text = f"encountered an unexpected tagged argument '{argument.name}'"
                self._complain(f"{text} while validating positional arguments for {self._subject}", argument)
                return
        specs = self._signature.positional
        if len(rest) < len(specs):
            specs = specs[1:] if specs[0][1].optional else specs[:-1] if specs[-1][1].optional else specs
        if len(specs) != len(rest):
            wanted, found = len(specs), len(rest)
            self._complain(
                f"{self._subject} requires {wanted} positional argument(s), but {found} is/are specified",
                None,
            )
            return
        for index, ((name, spec), argument) in enumerate(zip(specs, rest, strict=True), 1):
            expects = f"{self._subject} expects {spec.kind.value} as argument {index} ({spec.label})"
            if not _fits(argument, spec.kind):
                self._complain(f"{expects}, but {_named(argument)} was found", argument)
            else:
                values[name] = self._value(
                    argument, spec.kind, spec.constant, f"{expects}, but it is not constant"
                )

    def _value(self, argument: ast.Argument, kind: Kind, constant: bool, complaint: str) -> Any:
        if isinstance(argument, ast.Number):
            return argument.value
        texts = []
        for node in ast.strings_of(argument):
            text = self._scope.text(node)
            if isinstance(text, Complaint):
                self.complaints.append(text)
            elif constant and text.value is None:
                self._complain(complaint, node)
            else:
                texts.append(text)
        if kind is Kind.STRINGS:
            return tuple(texts)
        return texts[0] if texts else None

    def _complain(self, text: str, at: ast.Node | None, hint: str = "") -> None:
        self.complaints.append(Complaint(text, at, hint))


def _uses(kind: type[Item], scope: Scope) -> Iterator[tuple[str, _Use]]:
    """Every tag that *kind* may have, each with the capability it needs."""
    parts, language = signature(kind), scope.language
    for name, tagged in parts.tagged:
        yield "", _Use(tagged.tag, name, tagged.excludes or tagged.tag, None, tagged.kind, tagged.constant)
    for name, choice in parts.choices:
        yield from (("", _Use(tag, name, name, choice)) for tag in choice.tags)
    for name, group in parts.groups:
        if group is Group.COMPARATOR:
            yield "", _Use(":comparator", name, group.value, None, Kind.STRING, True)
        elif group is Group.MATCH_TYPE:
            yield from (
                (c, _Use(m.tag, name, group.value, m, m.parameter, True)) for c, m in language.match_types
            )
        else:
            yield from ((c, _Use(a.tag, name, group.value, a)) for c, a in language.address_parts)
    for capability, tag in language.tags:
        if kind.name in tag.on:
            fields = signature(tag).positional
            parameter, constant = (fields[0][1].kind, fields[0][1].constant) if fields else (None, False)
            yield capability, _Use(tag.name, "tags", tag.name, tag, parameter, constant)


def _fits(argument: ast.Argument, kind: Kind) -> bool:
    if kind is Kind.NUMBER:
        return isinstance(argument, ast.Number)
    if kind is Kind.STRING:
        return isinstance(argument, ast.String)
    return isinstance(argument, ast.String | ast.StringList)


def _named(argument: ast.Argument) -> str:
    words = {
        ast.Number: "a number",
        ast.String: "a string",
        ast.StringList: "a string list",
        ast.Tag: "a tag",
    }
    return words[type(argument)]
