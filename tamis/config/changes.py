"""changes - what a file makes different from the defaults: what `--changed` prints. Secrets are masked."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from typing import Any, get_type_hints

from tamis.config.load import Loader, Where
from tamis.config.schema import default_of, options_of, table_class
from tamis.config.toml import keys, toml


@dataclass(frozen=True, slots=True)
class Change:
    """One option that is not at its default. *key*, *value* and *default* are TOML; *default* is "" if there is
    none."""

    key: str
    value: str
    default: str
    file: str
    line: int

    def plain(self) -> dict[str, Any]:
        """The same with the values that the TOML stands for, as JSON knows them."""
        value, default = (
            tomllib.loads(f"x = {toml}")["x"] if toml else None for toml in (self.value, self.default)
        )
        return {"key": self.key, "value": value, "default": default, "file": self.file, "line": self.line}


def changes(loader: Loader) -> list[Change]:
    """What was built from the file and is not at its default, in the order of the file."""
    found: dict[Where, tuple[str, str]] = {}
    for built in loader.built:
        found |= _changes(type(built.instance), built.instance, built.where)
    for built in loader.built:  # a table that says nothing still says that it is there
        if built.where and not any(where[: len(built.where)] == built.where for where in found):
            found[built.where] = ("{}", "")
    document = loader.document
    lines = document.lines_of(list(found))
    placed = [
        Change(keys(where), value, default, document.file, line)
        for line, (where, (value, default)) in zip(lines, found.items(), strict=True)
    ]
    return sorted(placed, key=lambda change: change.line)


def _changes(
    cls: type[Any], instance: Any, at: Where, base: Any = None
) -> Iterator[tuple[Where, tuple[str, str]]]:
    """*base* holds the defaults; None: they are those of *cls*."""
    hints = get_type_hints(cls)
    for option in options_of(cls):
        hint, where = hints[option.name], (*at, option.name)
        value = getattr(instance, option.name)
        default = default_of(option) if base is None else getattr(base, option.name)
        known = default is not MISSING and default is not None
        if value == default:
            continue
        inner = table_class(hint)
        if inner is None:
            shown = toml(hint, default, {}) if known else ""
            yield where, (toml(hint, value, option.metadata), shown)
        else:
            below = list(_changes(inner, value, where, default if known else None))
            yield from below or [(where, ("{}", ""))]
