"""convert - one TOML value to the type of its option; every complaint is reported, not only the first raised.

No file is read here but a secret's. What could not be converted is `BAD`; the caller finds a stand-in, since
the admin is to see the other problems of the file too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_interface, ip_network
from pathlib import Path
from typing import Any, Final, Literal, Protocol, get_args, get_origin

from tamis.config import units
from tamis.config.kind import bound
from tamis.config.schema import (
    Duration,
    FileMode,
    Network,
    Rate,
    Secret,
    Size,
    Texts,
    table_class,
    without_none,
)
from tamis.config.secret import secret_from_credential, secret_from_environment, secret_from_file
from tamis.config.suggest import alternatives, nearest
from tamis.config.units import Unfit, quoted
from tamis.config.where import Where

Report = Callable[[Where, str], None]

BAD: Final = object()

MAX_INTEGER = 2**63 - 1  # TOML 1.0: 64 bits

_ORIGINS: Mapping[str, Callable[[str], Secret]] = {
    "file": secret_from_file,
    "env": secret_from_environment,
    "credential": secret_from_credential,
}


class Table(Protocol):
    """Makes a nested dataclass; options that *raw* does not give are those of *base*."""

    def __call__(self, cls: type[Any], raw: Any, where: Where, base: Any) -> Any: ...


class Converter:
    """Reads values; *table* is called for a nested dataclass, *report* for each problem."""

    def __init__(self, table: Table, report: Report) -> None:
        self._table = table
        self._report = report

    def value(self, hint: Any, raw: Any, where: Where, about: Mapping[str, Any], base: Any = None) -> Any:
        """*raw* as *hint*, or `BAD` after a report. *about*: the option's metadata; *base*: its default."""
        hint = without_none(hint)
        origin = get_origin(hint)
        cls = table_class(hint)
        if cls is not None:
            return self._table(cls, raw, where, base)
        if origin is tuple:
            return self._list(get_args(hint)[0], raw, where, about)
        if origin is dict:
            return self._dict(get_args(hint)[1], raw, where, about)
        try:
            value = _choice(get_args(hint), raw) if origin is Literal else SCALARS[hint](raw)
            _bounds(hint, value, about.get("at_least"), about.get("at_most"))
        except Unfit as exc:
            self._report(where, "not a valid value (secret: not shown)" if about.get("secret") else str(exc))
            return BAD
        return value

    def _list(self, hint: Any, raw: Any, where: Where, about: Mapping[str, Any]) -> Any:
        if not isinstance(raw, list):
            self._report(where, f"expected a list in [ ], not {_named(raw)}")
            return BAD
        items = tuple(self.value(hint, item, (*where, i), about) for i, item in enumerate(raw))
        return BAD if any(item is BAD for item in items) else items

    def _dict(self, hint: Any, raw: Any, where: Where, about: Mapping[str, Any]) -> Any:
        if not isinstance(raw, dict):
            self._report(where, f"expected a table, not {_named(raw)}")
            return BAD
        items = {key: self.value(hint, item, (*where, key), about) for key, item in raw.items()}
        return BAD if any(item is BAD for item in items.values()) else items


def shown(raw: Any) -> str:
    """A TOML value for a sentence."""
    if isinstance(raw, str):
        return f"the text {quoted(raw)}"
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, int | float):
        return "a huge number" if isinstance(raw, int) and abs(raw) > MAX_INTEGER else f"the number {raw}"
    return _named(raw)


def _named(raw: Any) -> str:
    names = {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return names.get(type(raw), "a table" if isinstance(raw, dict) else "a date or time")


def _bool(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise Unfit(f"expected true or false, not {shown(raw)}")
    return raw


def _int(raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise Unfit(f"expected a whole number, not {shown(raw)}")
    if abs(raw) > MAX_INTEGER:
        raise Unfit("a number of more than 64 bits")
    return raw


def _float(raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise Unfit(f"expected a number, not {shown(raw)}")
    if not abs(raw) <= MAX_INTEGER:  # not a number is not that either
        raise Unfit(f"expected a number of 64 bits or less, not {shown(raw)}")
    return float(raw)


def _str(raw: Any) -> str:
    if not isinstance(raw, str):
        raise Unfit(f"expected a text in quotes, not {shown(raw)}")
    if "\0" in raw:
        raise Unfit("a NUL character, which no option may hold")
    return raw


def _path(raw: Any) -> Path:
    if not _str(raw):
        raise Unfit("expected a path, not an empty text")
    return Path(raw)


def _duration(raw: Any) -> Duration:
    if isinstance(raw, int | float) and not isinstance(raw, bool) and 0 <= raw <= MAX_INTEGER:
        raise Unfit(f'a time needs a unit: "{raw}s"? ({", ".join(units.SECONDS)})')
    return Duration(units.parse_duration(_text(raw, 'a time such as "5m"')))


def _size(raw: Any) -> Size:
    if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 0:
        return Size(units.parse_size(str(raw)))
    return Size(units.parse_size(_text(raw, 'a size such as "25MiB"')))


def _rate(raw: Any) -> Rate:
    return Rate.parse(_text(raw, 'a rate such as "100/1h"'))


def _mode(raw: Any) -> FileMode:
    if isinstance(raw, int) and not isinstance(raw, bool):
        raise Unfit('a file mode stands in quotes: "0660"')
    return FileMode(units.parse_mode(_text(raw, 'a file mode such as "0660"')))


def _network(raw: Any) -> Network:
    text = _text(raw, 'a network such as "10.0.0.0/8"')
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        fitting = ip_interface(text).network
    except ValueError:
        raise Unfit(f'expected a network such as "10.0.0.0/8", not {quoted(text)}') from None
    raise Unfit(f'{quoted(text)} has bits below its prefix, did you mean "{fitting}"?')


def _secret(raw: Any) -> Secret:
    if isinstance(raw, str):
        if "\0" in raw:
            raise Unfit("a NUL character, which no secret may hold")
        return Secret(raw)
    if not isinstance(raw, dict) or len(raw) != 1:
        raise Unfit("expected a text, or one of {file = ...}, {env = ...} and {credential = ...}")
    [(origin, source)] = raw.items()
    read = _ORIGINS.get(origin)
    if read is None:
        raise Unfit(f"unknown origin {quoted(origin)} of a secret{nearest(origin, _ORIGINS)}")
    return read(_text(source, f"the name for {origin}"))


def _texts(raw: Any) -> Texts:
    items = raw if isinstance(raw, list) else [raw]
    if not items:
        raise Unfit("an empty list, which nothing fits")
    return Texts(tuple(_str(item) if isinstance(item, str) else _number(item) for item in items))


def _number(raw: Any) -> str:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise Unfit(f"expected a text in quotes or a number, not {shown(raw)}")
    return f"{_float(raw):.15g}" if isinstance(raw, float) else str(_int(raw))


def _bounds(hint: Any, value: Any, at_least: float | None, at_most: float | None) -> None:
    if at_least is not None and value < at_least:
        raise Unfit(f"must be {bound(hint, at_least)} or more, not {bound(hint, value)}")
    if at_most is not None and value > at_most:
        raise Unfit(f"must be {bound(hint, at_most)} or less, not {bound(hint, value)}")


def _text(raw: Any, wanted: str) -> str:
    if not isinstance(raw, str):
        raise Unfit(f"expected {wanted}, not {shown(raw)}")
    return raw


def _choice(words: tuple[Any, ...], raw: Any) -> Any:
    for word in words:
        if type(raw) is type(word) and raw == word:
            return word
    near = nearest(raw, [str(w) for w in words]) if isinstance(raw, str) else ""
    raise Unfit(f"expected {alternatives([str(w) for w in words])}, not {shown(raw)}{near}")


SCALARS: Mapping[Any, Callable[[Any], Any]] = {
    bool: _bool,
    int: _int,
    float: _float,
    str: _str,
    Path: _path,
    Duration: _duration,
    Size: _size,
    FileMode: _mode,
    Rate: _rate,
    Network: _network,
    Secret: _secret,
    Texts: _texts,
}
