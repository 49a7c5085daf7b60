"""load - the configuration file as frozen dataclasses, and all that is wrong with it.

    def assemble(loader: Loader) -> tuple[Root, tuple[Configured, ...]]:
        return loader.build(Root), configure_checks(loader, "policyd.checks", CHECKS)

    root, checks = load(path, assemble)  # ConfigError with every problem

One loader is one run over one file. Where something is wrong it goes on with stand-ins, so that everything is
found at once; `finish` then raises, and nothing that was built may be used before it. A program builds the
tables it knows; those of the other programs are known names and skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast, get_type_hints

from tamis.config.convert import BAD, Converter, shown
from tamis.config.document import DEFAULT_PATH, Document, default_path, parse, read
from tamis.config.schema import default_of, options_of
from tamis.config.units import printable
from tamis.config.where import Where, dotted, keys_of
from tamis.errors import ConfigError, Problem

__all__ = [
    "DEFAULT_PATH",
    "Document",
    "Loader",
    "Where",
    "default_path",
    "dotted",
    "keys_of",
    "load",
    "parse",
    "read",
]

# Every top-level name of every program: a program skips those that it does not read itself.
TOP_LEVEL = ("hostname", "log", "store", "journal", "dns", "policyd", "milter", "lda")

T = TypeVar("T")

_EMPTY: Mapping[str, Any] = MappingProxyType({})
_KEYS = re.compile(r"\[(\d{1,6})\]|([^.\[\]]+)")


@dataclass(frozen=True, slots=True)
class Built:
    """A dataclass that was made from the table at *where*."""

    where: Where
    instance: Any


@dataclass(frozen=True, slots=True)
class Offer:
    """What kinds of table may stand below one: their dataclass by name, and one that they all share, whose
    option *by* names the kind."""

    choices: Mapping[str, type[Any]]
    shared: type[Any]
    by: str


@dataclass(frozen=True, slots=True)
class _Unknown:
    """A name that no dataclass has. *known*: the names that the table's dataclasses have."""

    what: str
    known: tuple[str, ...]


def load(path: str | Path, assemble: Callable[[Loader], T]) -> T:
    """Read *path*, let *assemble* build its dataclasses, and return what it returned if all is well.

    Raises ConfigError with every problem. A reload calls it again, and keeps the old objects if it raises."""
    loader = Loader(read(path))
    result = assemble(loader)
    loader.finish()
    return result


class Loader:
    """One run over one document: builds dataclasses, collects problems.

    built: what `build` made, in order. offered: kinds of table that may stand below a table."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.built: list[Built] = []
        self.offered: dict[Where, Offer] = {}
        self._problems: dict[Where, list[str]] = {}
        self._unknown: dict[Where, _Unknown] = {}
        self._outside: list[Problem] = []
        self._claimed: set[Where] = set()
        self._converter = Converter(self._nested, self.report)

    def build(self, cls: type[T], at: str | Where = (), beside: Collection[str] = ()) -> T:
        """A *cls* out of the table *at* (``"policyd.checks"`` or keys; the root by default).

        *beside* are names in that table which another dataclass reads. Problems are collected: what is
        returned is fit for use only if `finish` does not raise."""
        where = keys_of(at)
        raw = self._lookup(where)
        instance = self._table(cls, raw, where, beside if where else (*beside, *TOP_LEVEL))
        if instance is BAD:
            instance = _husk(cls)
        self.built.append(Built(where, instance))
        return cast("T", instance)

    def table(self, at: str | Where) -> Mapping[str, Mapping[str, Any]]:
        """The sub-tables of the table *at* by name, in the order of the file; none where it is absent.

        The names are free: whoever asks for the table answers for what is in it."""
        where = keys_of(at)
        self._claimed.add(where)
        tables: dict[str, Mapping[str, Any]] = {}
        for name, raw in self._lookup(where).items():
            if isinstance(raw, dict):
                tables[name] = raw
            else:
                self.report((*where, name), f"expected a table, not {shown(raw)}")
        return tables

    def offer(self, at: str | Where, choices: Mapping[str, type[Any]], shared: type[Any], by: str) -> None:
        """Say what kinds of table may stand below *at*, for `--defaults`."""
        self.offered[keys_of(at)] = Offer(choices, shared, by)

    def report(self, where: Where, sentence: str) -> None:
        """Collect a problem of the value at *where*; the same one is collected once."""
        sentences = self._problems.setdefault(where, [])
        if (text := printable(sentence)) not in sentences:
            sentences.append(text)

    def add(self, error: ConfigError) -> None:
        """Collect problems that lie outside the file."""
        self._outside += error.problems

    def problems(self) -> list[Problem]:
        """All that was found so far, in the order of the file."""
        found = [(where, text) for where, texts in self._problems.items() for text in texts]
        found += [(w, self._about(w, u)) for w, u in self._unknown.items() if w not in self._claimed]
        if not found:
            return self._outside
        lines = self.document.lines_of([where for where, _ in found])
        placed = [
            Problem(self.document.file, line, dotted(where), text)
            for line, (where, text) in zip(lines, found, strict=True)
        ]
        return sorted(placed, key=lambda p: p.line) + self._outside

    def finish(self) -> None:
        """Raises ConfigError with all problems, if there are any."""
        if problems := self.problems():
            raise ConfigError(problems)

    def _about(self, where: Where, name: _Unknown) -> str:
        from tamis.config import suggest

        free = [c for c in self._claimed if where[: len(c)] == c]
        roots = () if free else tuple(type(built.instance) for built in self.built if not built.where)
        claimed = [str(c[-1]) for c in self._claimed if c[:-1] == where[:-1]]
        return suggest.unknown(name.what, str(where[-1]), {*name.known, *claimed}, roots)

    def _lookup(self, where: Where) -> Mapping[str, Any]:
        raw: Any = self.document.data
        for n, key in enumerate(where, 1):
            raw = raw.get(key, _EMPTY)
            if not isinstance(raw, Mapping):
                self.report(where[:n], f"expected a table, not {shown(raw)}")
                return _EMPTY
        return cast("Mapping[str, Any]", raw)

    def _nested(self, cls: type[Any], raw: Any, where: Where, base: Any) -> Any:
        if not isinstance(raw, dict):
            self.report(where, f"expected a table, not {shown(raw)}")
            return BAD
        return self._table(cls, raw, where, (), base)

    def _table(
        self, cls: type[Any], raw: Mapping[str, Any], where: Where, beside: Collection[str], base: Any = None
    ) -> Any:
        hints = get_type_hints(cls)
        options = {o.name: o for o in options_of(cls)}
        for name in raw:
            if name not in options and name not in beside:
                what = "table" if isinstance(raw[name], dict) else "option"
                self._unknown[*where, name] = _Unknown(what, (*options, *beside))
        values = {n: self._option(o, hints[n], raw, where, base) for n, o in options.items()}
        instance = self._instance(cls, values, where)
        bad = list(self._problems)
        for sentence in self._contradictions(instance):
            keys, text = _split(sentence, options)
            here = (*where, *keys)
            # where a stand-in is, the sentence is not about the file
            if not keys or not any(place[: len(here)] == here for place in bad):
                self.report(here, text)
        return instance

    def _option(self, option: Field[Any], hint: Any, raw: Mapping[str, Any], where: Where, base: Any) -> Any:
        """The value given, else the default; MISSING where there is none or the one given is bad."""
        here = (*where, option.name)
        default = default_of(option) if base is None else getattr(base, option.name)
        if option.name not in raw:
            if default is MISSING:
                self.report(here, f"is missing: {option.metadata.get('doc', 'it has no default')}")
            return default
        base = None if default is MISSING else default
        value = self._converter.value(hint, raw[option.name], here, option.metadata, base)
        return default if value is BAD else value

    def _instance(self, cls: type[Any], values: Mapping[str, Any], where: Where) -> Any:
        if any(value is MISSING for value in values.values()):
            return BAD
        try:
            return cls(**values)
        except ValueError as exc:
            self.report(where, str(exc))
            return BAD

    def _contradictions(self, instance: Any) -> Iterator[str]:
        problems = getattr(instance, "problems", None)
        return problems() if problems is not None else iter(())


def _split(sentence: str, options: Mapping[str, Any]) -> tuple[Where, str]:
    """``key: sentence`` of a `problems` method, in a list ``rule[2].action: sentence``; a first word that is no option
    belongs to the sentence."""
    key, colon, text = sentence.partition(": ")
    keys = tuple(int(n) if n else name for n, name in _KEYS.findall(key))
    return (keys, text) if colon and keys and keys[0] in options else ((), sentence)


def _husk(cls: type[Any]) -> Any:
    """A *cls* with defaults and holes where no real one can be made; `finish` keeps it from being used."""
    husk = object.__new__(cls)
    for option in options_of(cls):
        default = default_of(option)
        object.__setattr__(husk, option.name, None if default is MISSING else default)
    return husk
