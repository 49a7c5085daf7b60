"""variables (RFC 5229): ``${name}`` in strings, the set command with its modifiers, the string test."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from lda.sieve.compile import Build, Code
from lda.sieve.language import Command, Complaint, Extension, Item, Namespace, Predicate, Tag, string, strings
from lda.sieve.machine import Frame
from lda.sieve.match import OCTET, Comparator, ascii_lower
from lda.sieve.matching import MatchingTest
from lda.sieve.scope import Scope
from lda.sieve.text import Reference, Text, Texts, expander

_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]*"
_REFERENCE = re.compile(rf"\$\{{(?:([0-9]+)|({_IDENTIFIER}(?:\.(?:{_IDENTIFIER}|[0-9]+))*))\}}")
_NAME = re.compile(rf"(?:{_IDENTIFIER}\.)?(?:(?:{_IDENTIFIER}|[0-9]+)\.)*{_IDENTIFIER}")
_WILD = str.maketrans({character: f"\\{character}" for character in "*?\\"})


def split(text: str, scope: Scope) -> Sequence[str | Reference] | Complaint:
    """*text* as literal pieces and references. What is no reference stays as it is."""
    parts: list[str | Reference] = []
    position = 0
    for match in _REFERENCE.finditer(text):
        parts.append(text[position : match.start()])
        reference = _match_value(match[1], scope) if match[1] else variable(match[2], scope)
        if isinstance(reference, Complaint):
            return reference
        parts.append(reference)
        position = match.end()
    parts.append(text[position:])
    return [part for part in parts if part != ""] or [""]


def _match_value(digits: str, scope: Scope) -> Reference | Complaint:
    number = digits.lstrip("0") or "0"
    limit = scope.limits.match_variables
    if len(number) > 9 or int(number) > limit:
        return Complaint(f"match value index {number[:20]} out of range (max: {limit})")
    index = int(number)
    return lambda frame: frame.captures[index] if index < len(frame.captures) else ""


def variable(written: str, scope: Scope) -> Reference | Complaint:
    """How to read the variable called *written*."""
    name = written.lower()
    alias = scope.aliases.get(name)
    if alias is not None:
        return alias.refer(name, scope)
    if "." in name:
        space, _, rest = name.partition(".")
        found = _namespace(space, scope)
        return found if isinstance(found, Complaint) else found.refer(rest, scope)
    complaint = declare(name, scope)
    return complaint or (lambda frame: frame.variables.get(name, ""))


def _namespace(name: str, scope: Scope) -> Namespace | Complaint:
    for namespace in scope.visible(scope.language.namespaces):
        if namespace.name == name:
            return namespace
    return Complaint(f"referring to variable in unknown namespace '{name}'")


def declare(name: str, scope: Scope) -> Complaint | None:
    """Count the variable *name*; what is wrong with using it, if anything."""
    if len(name) > scope.limits.variable_name_chars:
        return Complaint(
            f"variable name is too long (more than {scope.limits.variable_name_chars} characters)"
        )
    scope.variables.add(name)
    if len(scope.variables) > scope.limits.variables:
        limit = scope.limits.variables
        return Complaint(f"declaration of variable '{name}' exceeds the limit (max variables: {limit})")
    return None


def is_variable(written: str) -> bool:
    """Whether a variable can be called *written*."""
    return (written.isascii() and written.isdecimal()) or _NAME.fullmatch(written) is not None


Assign = Callable[[Frame, str], None]


def assignment(text: Text, scope: Scope) -> Assign | Complaint:
    """How to store into the variable called *text* (a constant); what is wrong with it, if it cannot be."""
    written = text.value or ""
    if re.fullmatch(r"[0-9]+", written):
        return Complaint("cannot assign to match variable", text.node)
    if not _NAME.fullmatch(written):
        return Complaint(f"invalid variable name '{written}'", text.node)
    name = written.lower()
    space, _, rest = name.rpartition(".") if name in scope.aliases else name.partition(".")
    if rest and (found := scope.aliases.get(name) or _namespace(space, scope)):
        if isinstance(found, Complaint):
            return replace(found, at=text.node)
        if found.assign is None:
            return Complaint(f"cannot assign to variable '{written}'", text.node)
        return found.assign(rest, scope)
    return declare(name, scope) or (lambda frame, value: store(frame, name, value))


def store(frame: Frame, name: str, value: str) -> None:
    """Set the variable *name* (lower case); a value that is too long is cut between characters."""
    frame.variables[name] = shortened(value, frame.context.limits.variable_bytes)
    if frame.trace is not None:
        frame.trace.assigned(name, frame.variables[name])


def shortened(value: str, limit: int) -> str:
    """The longest beginning of *value* that takes *limit* bytes as UTF-8."""
    if 4 * len(value) <= limit:
        return value
    raw = value[:limit].encode("utf-8", "surrogateescape")
    if len(raw) <= limit:
        return value[:limit]
    while limit and raw[limit] & 0xC0 == 0x80:
        limit -= 1
    return raw[:limit].decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifierTag(Tag):
    """A modifier of set (section 4.1) and extracttext; those with more precedence come first, two of one are wrong."""

    on: ClassVar[frozenset[str]] = frozenset({"set", "extracttext"})
    precedence: ClassVar[int]

    def apply(self, value: str) -> str:
        """The modified value."""
        raise NotImplementedError

    def among(self, item: Item) -> Iterator[Complaint]:
        for tag in item.tags:
            if tag is self:
                return
            if isinstance(tag, ModifierTag) and tag.precedence == self.precedence:
                text = f"modifiers {tag.name} and {self.name} specified for the set command conflict"
                yield Complaint(f"{text} having equal precedence", self.node)


def modified(frame: Frame, value: str, modifiers: Sequence[ModifierTag]) -> str:
    """*value* after *modifiers*, in that order."""
    for modifier in modifiers:
        frame.spend(len(value) >> 2)
        value = modifier.apply(value)
    return value


def assigning(item: Item, name: Text, code: Code, read: Callable[[Frame], str]) -> None:
    """Compile the command *item*, which assigns what *read* gives, as its tags modify it, to the variable *name*."""
    assign = assignment(name, code.build.scope)
    assert not isinstance(assign, Complaint)
    found = (tag for tag in item.tags if isinstance(tag, ModifierTag))
    modifiers = sorted(found, key=lambda tag: -tag.precedence)

    def act(frame: Frame) -> None:
        assign(frame, modified(frame, read(frame), modifiers))

    code.step(item, act)


class Lower(ModifierTag):
    """``:lower``: ASCII letters only, as all case modifiers."""

    name = ":lower"
    precedence = 40

    def apply(self, value: str) -> str:
        return ascii_lower(value)


class Upper(ModifierTag):
    """``:upper``"""

    name = ":upper"
    precedence = 40

    def apply(self, value: str) -> str:
        return _ascii_upper(value)


class LowerFirst(ModifierTag):
    """``:lowerfirst``"""

    name = ":lowerfirst"
    precedence = 30

    def apply(self, value: str) -> str:
        return ascii_lower(value[:1]) + value[1:]


class UpperFirst(ModifierTag):
    """``:upperfirst``"""

    name = ":upperfirst"
    precedence = 30

    def apply(self, value: str) -> str:
        return _ascii_upper(value[:1]) + value[1:]


class QuoteWildcard(ModifierTag):
    """``:quotewildcard``: the value matches only itself in ``:matches``."""

    name = ":quotewildcard"
    precedence = 20

    def apply(self, value: str) -> str:
        return value.translate(_WILD)


class Length(ModifierTag):
    """``:length``: in characters."""

    name = ":length"
    precedence = 10

    def apply(self, value: str) -> str:
        return str(len(value))


def _ascii_upper(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").upper().decode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True, kw_only=True)
class Set(Command):
    """``set [MODIFIER] <name: string> <value: string>``"""

    variable: Text = string("name", constant=True)
    value: Text = string("value")

    name: ClassVar[str] = "set"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        assign = assignment(self.variable, scope)
        if isinstance(assign, Complaint):
            yield assign

    def emit(self, code: Code) -> None:
        assigning(self, self.variable, code, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class StringTest(MatchingTest):
    """``string [MATCH-TYPE] [COMPARATOR] <source: string-list> <key-list: string-list>``

    Blanks count. An empty string is not counted by ``:count``."""

    sources: Texts = strings("source")
    keys: Texts = strings("key list")

    name: ClassVar[str] = "string"
    default_comparator: ClassVar[Comparator] = OCTET
    """Against RFC 5228 section 2.7.3, but what Dovecot does: scripts are written and tested with it."""

    def predicate(self, build: Build) -> Predicate:
        match, sources = self.matcher(build, self.keys), expander(self.sources)
        if self.match.type.counts:
            return lambda frame: match(frame, [source for source in sources(frame) if source])
        return lambda frame: match(frame, sources(frame))


EXTENSION = Extension(
    capability="variables",
    commands=(Set,),
    tests=(StringTest,),
    tags=(Lower, Upper, LowerFirst, UpperFirst, QuoteWildcard, Length),
    split=split,
    grammar=True,
)
