"""schema - what a dataclass says about its options; one line is the whole option.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class StoreConfig:
        \"\"\"State shared between requests and restarts.\"\"\"

        url: str = option("sqlite:///var/lib/tamis/state.db", "where the state is", secret=True)
        timeout: Duration = option(Duration(0.5), "then a check's on_error decides", at_least=0.001)
        password: Secret | None = option(None, "the server's password")

        def problems(self) -> Iterator[str]:
            if ...:
                yield "timeout: must be ..."  # "key: sentence"; without a key it is about the whole table

Types: str, int, float, bool, Path, Duration, Size, FileMode, Rate, Network, Secret, Literal[...], a frozen
dataclass (a table), tuple[T, ...] (a list), dict[str, T] (a table with free keys), Texts (one text or number, or a
list of them), T | None (None: not given, which is the default).
A field with init=False is no option. ValueError from __post_init__ is a sentence about the table.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any, NewType, TypeVar, Union, cast, get_args, get_origin

from tamis.config.secret import Secret
from tamis.config.units import format_duration, parse_rate

__all__ = ["Duration", "FileMode", "Network", "Rate", "Secret", "Size", "Texts", "option", "required"]

T = TypeVar("T")

Duration = NewType("Duration", float)
"""Seconds; written ``500ms``, ``5m``, ``1h``, ``36d``."""

Size = NewType("Size", int)
"""Bytes; written ``25MiB``, ``10kB``, ``100``."""

FileMode = NewType("FileMode", int)
"""Permission bits; written ``"0660"``."""

Texts = NewType("Texts", tuple[str, ...])
"""Written ``"a"``, ``5`` or ``["a", "b"]``, which is not empty."""

Network = IPv4Network | IPv6Network
"""Written ``10.0.0.0/8``; a lone address is a network of one."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so many seconds; written ``100/1h``."""

    count: int
    period_s: float

    @classmethod
    def parse(cls, text: str) -> Rate:
        """From ``100/1h``; Unfit is a sentence."""
        return cls(*parse_rate(text))

    def __str__(self) -> str:
        return f"{self.count}/{format_duration(self.period_s)}"


def option(
    default: T, doc: str, *, secret: bool = False, at_least: float | None = None, at_most: float | None = None
) -> T:
    """An option of a table: its default and its documentation in one line.

    secret: never printed (a URL that may hold a password; a password alone is better a `Secret`).
    at_least, at_most: bounds of a number, time or size, or of each in a list; both are allowed values."""
    metadata = {"doc": doc, "secret": secret, "at_least": at_least, "at_most": at_most}
    if isinstance(default, dict | list | set):
        return cast("T", field(default_factory=default.copy, metadata=metadata, repr=not secret))
    return field(default=default, metadata=metadata, repr=not secret)


def required(
    doc: str, *, secret: bool = False, at_least: float | None = None, at_most: float | None = None
) -> Any:
    """An option without default: its absence is a problem of the configuration."""
    metadata = {"doc": doc, "secret": secret, "at_least": at_least, "at_most": at_most}
    return field(metadata=metadata, repr=not secret)


def options_of(cls: type[Any]) -> Iterator[Field[Any]]:
    """The fields of a config dataclass that the file may set, in order."""
    return (f for f in fields(cls) if f.init)


def default_of(option_: Field[Any]) -> Any:
    """The default; `dataclasses.MISSING` for a required option."""
    if option_.default_factory is not MISSING:
        return option_.default_factory()
    return option_.default


def without_none(hint: Any) -> Any:
    """The T of ``T | None``, a union of networks as `Network`; other hints as they are."""
    if get_origin(hint) not in {Union, types.UnionType}:
        return hint
    some = [arg for arg in get_args(hint) if arg is not type(None)]
    return Network if set(some) == {IPv4Network, IPv6Network} else some[0]


def table_class(hint: Any) -> type[Any] | None:
    """The dataclass of an option that is a table; None for one that is a value or a list."""
    bare = without_none(hint)
    return bare if isinstance(bare, type) and is_dataclass(bare) and bare not in {Rate, Secret} else None
