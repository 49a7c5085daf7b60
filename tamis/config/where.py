"""where - the place of a value in the file: keys and list indices from its root, and how an admin writes them."""

from __future__ import annotations

from tamis.config.units import quoted

Where = tuple[str | int, ...]
"""Keys and list indices from the root of the file to a value."""


def keys_of(at: str | Where) -> Where:
    """``"policyd.checks"`` as keys."""
    return (tuple(at.split(".")) if at else ()) if isinstance(at, str) else at


def dotted(where: Where) -> str:
    """``policyd.checks.perhour.limits[0]``, keys quoted where TOML would want it."""
    text = ""
    for key in where:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            bare = key.isascii() and key.replace("-", "_").replace("_", "a").isalnum()
            text += ("." if text else "") + (key if bare else quoted(key))
    return text
