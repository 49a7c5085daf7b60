"""toml - the value of an option as TOML on one line, such that it can be read again; secrets are masked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_type_hints

from tamis.config.schema import (
    Duration,
    FileMode,
    Secret,
    Size,
    Texts,
    default_of,
    options_of,
    table_class,
    without_none,
)
from tamis.config.secret import MASK
from tamis.config.units import format_duration, format_size

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCHEME = re.compile(r"(?:[a-z]+://)?")


def toml(hint: Any, value: Any, about: Mapping[str, Any]) -> str:
    """*value*, which is not None, of an option of type *hint*. *about*: the option's metadata."""
    hint = without_none(hint)
    if hint is Texts and len(value) == 1:
        return text(value[0])
    if isinstance(value, tuple):
        of = str if hint is Texts else get_args(hint)[0]
        return f"[{', '.join(toml(of, item, about) for item in value)}]"
    if isinstance(value, dict):
        return _inline({key: toml(get_args(hint)[1], item, about) for key, item in value.items()})
    if isinstance(value, Secret):
        return text(MASK) if value.origin == "literal" else _inline({value.origin: text(value.source)})
    if about.get("secret"):
        return text(_SCHEME.match(str(value))[0] + MASK)  # type: ignore[index]  # it matches any text
    return _scalar(hint, value) if table_class(hint) is None else _changed(hint, value)


def keys(names: Iterable[str | int]) -> str:
    """The dotted key on the left of ``=`` or in a header."""
    return ".".join(name if _BARE.fullmatch(name) else text(name) for name in map(str, names))


def text(value: str) -> str:
    """A basic string (TOML 1.0): no control character is left as it is."""
    return '"' + "".join(_ESCAPES.get(c) or (c if _plain(c) else f"\\u{ord(c):04x}") for c in value) + '"'


def _changed(cls: type[Any], instance: Any) -> str:
    """A table in a list: what is not at its default."""
    hints = get_type_hints(cls)
    given = {o: getattr(instance, o.name) for o in options_of(cls)}
    unlike = {o: value for o, value in given.items() if value is not None and value != default_of(o)}
    return _inline({o.name: toml(hints[o.name], value, o.metadata) for o, value in unlike.items()})


def _inline(pairs: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{keys([name])} = {value}' for name, value in pairs.items())}}}"


def _scalar(hint: Any, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if hint is Duration:
        return text(format_duration(value))
    if hint is Size:
        return text(format_size(value))
    if hint is FileMode:
        return text(f"{value:04o}")
    return repr(value) if isinstance(value, int | float) else text(str(value))


def _plain(c: str) -> bool:
    return c >= " " and not "\x7f" <= c <= "\x9f"
