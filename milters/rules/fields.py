"""fields - rules that add, replace and remove header fields, and the fields of a message while they do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from milters.rules.rule import FIELD_PLACEHOLDERS, field_of, field_problems
from milters.rules.seen import Seen
from milters.rules.when import When
from tamis.config.schema import option, required
from tamis.mail import encode
from tamis.mail.headers import Headers
from tamis.mail.words import decode_words, unfold
from tamis.placeholders import filled
from tamis.verdict import AddHeader, ChangeHeader, Edit, RemoveHeader

VALUE = "{value}"
MAX_VALUE_BYTES = 7000  # of a value that is kept, with something before or behind it

_PATTERN = re.compile(r"([!-)+-9;-~]{1,76})(\*?)")  # RFC 5322 section 2.2, without the star


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """Its fields are its options: ``[[milter.checks.headers.rule]]``."""

    name: str = required("stands in log and journal: letters, digits, - _ ., and no other rule's")
    when: When = option(When(), "conditions, all of which must hold; none: always")
    remove: tuple[str, ...] = option((), "names of fields that go, all of each: X-Mailer, X-Internal-*")
    replace: tuple[str, ...] = option(
        (),
        'what stands in place of all fields of that name, "Subject: [SPAM] {value}"; {value} is what the first of '
        "them said; where there is none it is added",
    )
    add: tuple[str, ...] = option(
        (),
        'fields to put on top, "X-Origin: {client_address}"; may hold {sender} {helo_name} {score} {tags} ...',
    )
    append: tuple[str, ...] = option((), "fields to put below all others")

    def problems(self) -> Iterator[str]:
        """A rule that does nothing, names that are none, fields that are none."""
        if not (self.remove or self.replace or self.add or self.append):
            yield "remove: the rule does nothing; give remove, replace, add or append"
        for text in self.remove:
            if not is_pattern(text):
                yield f"remove: {text!r} is no name of a field such as X-Mailer or X-Internal-*"
        for text in self.replace:
            yield from field_problems("replace", text, (*FIELD_PLACEHOLDERS, "value"))
        for text in self.add:
            yield from field_problems("add", text, FIELD_PLACEHOLDERS)
        for text in self.append:
            yield from field_problems("append", text, FIELD_PLACEHOLDERS)

    def holds(self, seen: Seen) -> bool:
        """Whether all conditions hold."""
        return all(condition(seen) for condition in self.when.conditions)

    def carry_out(self, fields: Fields, values: Mapping[str, str]) -> Iterator[AddHeader]:
        """Change *fields*; the fields that are added. values: of the placeholders."""
        for name in names_fitting(self.remove, fields.headers):
            fields.remove(name)
        for name, template in _made(self.replace):
            fields.replace(name, template, values)
        for name, template in _made(self.add):
            yield AddHeader(name, filled(template, values))
        for name, template in _made(self.append):
            yield AddHeader(name, filled(template, values), at_top=False)


def _made(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    return (made for text in texts if (made := field_of(text)))


class Fields:
    """The fields of a message that rules change; *earlier*: what checks before them have changed."""

    def __init__(self, headers: Headers, earlier: Iterable[Edit]) -> None:
        self.headers = headers
        self._values: dict[str, tuple[str, str]] = {
            edit.name.lower(): (edit.name, edit.value)
            for edit in earlier
            if isinstance(edit, ChangeHeader) and edit.occurrence == 1
        }
        self._replaced: dict[str, tuple[str, str]] = {}
        self._removed: dict[str, str] = {}

    def remove(self, name: str) -> None:
        """All fields of that name go."""
        self._replaced.pop(name.lower(), None)
        self._removed[name.lower()] = name

    def replace(self, name: str, template: str, values: Mapping[str, str]) -> None:
        """All fields of that name become one."""
        key = name.lower()
        before, found, behind = template.partition(VALUE)
        value = (
            filled(before, values)
            + (self._value(key) if found else "")
            + filled(behind.replace(VALUE, ""), values)
        )
        self._removed.pop(key, None)
        self._replaced[key] = (name, value)

    def _value(self, key: str) -> str:
        """What the first field of that name says now, fit for a field: with its folds, in ASCII."""
        known = self._replaced.get(key) or (None if key in self._removed else self._values.get(key))
        if known is not None:
            return known[1]
        fields = () if key in self._removed else self.headers.all(key)
        raw = fields[0].value.strip(b" \t\r\n")[:MAX_VALUE_BYTES] if fields else b""
        if raw.isascii():
            return raw.decode("ascii")
        return encode.field("X", decode_words(unfold(raw))).decode("ascii").partition(":")[2].strip()

    def edits(self) -> Iterator[Edit]:
        """What has become of them."""
        for key, name in self._removed.items():
            yield from (RemoveHeader(name, n + 1) for n in range(len(self.headers.all(key))))
        for key, (name, value) in self._replaced.items():
            count = len(self.headers.all(key))
            yield ChangeHeader(name, 1, value) if count else AddHeader(name, value)
            yield from (RemoveHeader(name, n) for n in range(2, count + 1))


def is_pattern(text: str) -> bool:
    """Whether *text* is the name of a field, or the beginning of some with a star."""
    return _PATTERN.fullmatch(text) is not None


def names_fitting(patterns: Iterable[str], headers: Headers) -> list[str]:
    """The names of fields that are there and fit one of *patterns*, each once."""
    wanted = [pattern.lower() for pattern in patterns]
    whole = {pattern for pattern in wanted if not pattern.endswith("*")}
    stems = tuple(pattern[:-1] for pattern in wanted if pattern.endswith("*"))
    names = {field.name.lower(): field.name for field in headers} if wanted else {}
    return [name for key, name in names.items() if key in whole or (stems and key.startswith(stems))]
