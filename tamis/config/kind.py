"""kind - the type of an option in an admin's words: ``time, 10ms to 90s``; ``list of networks``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

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
from tamis.config.units import format_duration, format_size, quoted

_WORDS = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
    Duration: "time",
    Size: "size",
    FileMode: "file mode",
    Rate: "rate",
    Network: "network",
    Secret: "secret",
    Texts: "text, number or list",
}


def kind(hint: Any, about: Mapping[str, Any]) -> str:
    """The type with the bounds that the option's metadata *about* sets."""
    word = _word(without_none(hint))
    least, most = (bound(_leaf(hint), about.get(side)) for side in ("at_least", "at_most"))
    if least and most:
        return f"{word}, {least} to {most}"
    return f"{word}, {least} or more" if least else f"{word}, {most} or less" if most else word


def bound(hint: Any, number: float | None) -> str:
    """A bound of an option of type *hint* as an admin would write it; "" for none."""
    if number is None:
        return ""
    if hint is Duration:
        return format_duration(number)
    return format_size(int(number)) if hint is Size else f"{number:.15g}"


def _word(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " | ".join(quoted(str(word)) for word in get_args(hint))
    if get_origin(hint) is tuple:
        return f"list: {_word(get_args(hint)[0])}"
    if get_origin(hint) is dict:
        return f"table: name = {_word(get_args(hint)[1])}"
    return "table" if table_class(hint) else _WORDS[without_none(hint)]


def _leaf(hint: Any) -> Any:
    hint = without_none(hint)
    if get_origin(hint) in {tuple, dict}:
        return _leaf(get_args(hint)[-1] if get_origin(hint) is dict else get_args(hint)[0])
    return hint
