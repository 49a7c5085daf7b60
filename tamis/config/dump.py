"""dump - configured dataclasses as TOML again: every option with its documentation, or only what was changed.

What is printed can be read back to the same dataclass, but for literal secrets, which are masked. A line ``# ...``
is prose; a line ``#name = value`` is an option that is not given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from tamis.config.convert import Where
from tamis.config.kind import kind
from tamis.config.lines import dotted
from tamis.config.schema import (
    Duration,
    FileMode,
    Rate,
    Secret,
    Size,
    default_of,
    options_of,
    table_class,
    without_none,
)
from tamis.config.secret import MASK
from tamis.config.units import format_duration, format_size

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_URL_PASSWORD = re.compile(r"(?<=:)[^/:@]+(?=@)")


@dataclass(frozen=True, slots=True)
class Change:
    """One option that is not at its default. *toml* is its value, masked if it is secret; *default* likewise,
    "" if there is none."""

    where: Where
    toml: str
    default: str


def tables(cls: type[Any], instance: Any = None, where: Where = (), mark: str = "") -> Iterator[str]:
    """The lines of a table and those below it; without *instance* with defaults. *mark* "#": none of it is given."""
    hints = get_type_hints(cls)
    nested = []
    for option in options_of(cls):
        value = default_of(option) if instance is None else getattr(instance, option.name)
        if _inner(hints[option.name]) is None:
            yield from _option(option, hints[option.name], value, mark)
        else:
            nested.append((option, value))
    for option, value in nested:
        yield from _nested(option, hints[option.name], value, (*where, option.name), mark)


def changes(cls: type[Any], instance: Any, where: Where = (), base: Any = None) -> Iterator[Change]:
    """The options of *instance* that differ from *base*, or else from the defaults of *cls*."""
    hints = get_type_hints(cls)
    for option in options_of(cls):
        hint, here = hints[option.name], (*where, option.name)
        value = getattr(instance, option.name)
        default = default_of(option) if base is None else getattr(base, option.name)
        if value == default:
            continue
        inner = table_class(hint)
        if inner is not None and value is not None:
            found = list(changes(inner, value, here, None if default in (None, MISSING) else default))
            yield from found or [Change(here, "{}", "")]
        elif value is not None:
            yield Change(here, _masked(option, hint, value), _default(option, hint, default))


def toml(hint: Any, value: Any) -> str:
    """*value* as TOML on one line; a table of options shows those that are not at their default."""
    hint = without_none(hint)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(toml(get_args(hint)[0], item) for item in value)}]"
    if isinstance(value, dict):
        pairs = (f"{dotted((key,))} = {toml(get_args(hint)[1], item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, Secret):
        return _text(MASK) if value.origin == "literal" else f"{{{value.origin} = {_text(value.source)}}}"
    inner = table_class(hint)
    if inner is not None:
        hints = get_type_hints(inner)
        given = {o.name: getattr(value, o.name) for o in options_of(inner)}
        unlike = {o.name for o in options_of(inner) if given[o.name] not in (None, default_of(o))}
        return f"{{{', '.join(f'{name} = {toml(hints[name], given[name])}' for name in given if name in unlike)}}}"
    return _scalar(hint, value)


def _scalar(hint: Any, value: Any) -> str:
    if hint is Duration:
        return _text(format_duration(value))
    if hint is Size:
        return _text(format_size(value))
    if hint is FileMode:
        return _text(f"{value:04o}")
    return repr(value) if isinstance(value, int | float) else _text(str(value))


def _option(option: Field[Any], hint: Any, value: Any, mark: str) -> Iterator[str]:
    yield f"# {option.metadata.get('doc', '')} [{kind(hint, option.metadata)}]"
    if value is MISSING:
        yield f"#{option.name} =  (must be given)"
    elif value is None:
        yield f"#{option.name} =  (not given)"
    else:
        yield f"{mark}{option.name} = {_masked(option, hint, value)}"


def _nested(option: Field[Any], hint: Any, value: Any, where: Where, mark: str) -> Iterator[str]:
    hint = without_none(hint)
    cls = _inner(hint)
    assert cls is not None
    doc = option.metadata.get("doc", "")
    if get_origin(hint) is tuple:
        for item in value or ():
            yield from _head(f"{mark}[[{dotted(where)}]]", doc)
            yield from tables(cls, item, where, mark)
    elif get_origin(hint) is dict:
        for key, item in (value or {}).items():
            yield from _head(f"{mark}[{dotted((*where, key))}]", doc)
            yield from tables(cls, item, (*where, key), mark)
    elif value is not None and value is not MISSING:
        yield from _head(f"{mark}[{dotted(where)}]", doc)
        yield from tables(cls, value, where, mark)
        return
    if not value or value is MISSING:
        brackets = "[[{}]]" if get_origin(hint) is tuple else "[{}]"
        name = f"{dotted(where)}.NAME" if get_origin(hint) is dict else dotted(where)
        yield from _head(f"#{brackets.format(name)}", doc)
        yield from tables(cls, None, where, "#")


def _head(line: str, doc: str) -> Iterator[str]:
    yield ""
    yield f"# {doc}"
    yield line


def _inner(hint: Any) -> type[Any] | None:
    """The dataclass of a table, of a list of tables or of tables with free names."""
    hint = without_none(hint)
    if get_origin(hint) in {tuple, dict}:
        hint = get_args(hint)[0 if get_origin(hint) is tuple else 1]
    return table_class(hint)


def _masked(option: Field[Any], hint: Any, value: Any) -> str:
    if not option.metadata.get("secret") or value == default_of(option):
        return toml(hint, value)
    if isinstance(value, str) and "://" in value and "password" not in value:
        return _text(_URL_PASSWORD.sub(MASK, value))
    return _text(MASK)


def _default(option: Field[Any], hint: Any, default: Any) -> str:
    return "" if default is MISSING or default is None else toml(hint, default)


def _text(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(c) or (c if _plain(c) else f"\\u{ord(c):04x}") for c in text) + '"'


def _plain(c: str) -> bool:
    return c >= " " and not "\x7f" <= c <= "\x9f"
