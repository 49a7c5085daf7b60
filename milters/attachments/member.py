"""member - what the readers of all formats say about a file inside another one. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MAX_NAME_BYTES = 4000


@dataclass(frozen=True, slots=True)
class Member:
    """names: each that a program may give it, () for none. size: in bytes, as its archive says.

    read: its first so many bytes; raises `Damaged`, `Unreadable`, `Limit`. None: they cannot be had, being encrypted or
    elsewhere."""

    names: tuple[str, ...]
    size: int = 0
    encrypted: bool = False
    read: Callable[[int], bytes] | None = None


def distinct(*names: str) -> tuple[str, ...]:
    """Those that are not empty, once each, in order."""
    return tuple(dict.fromkeys(name for name in names if name))


def held(names: tuple[str, ...], content: bytes) -> Member:
    """A file whose content is at hand."""
    return Member(names, len(content), read=lambda most: content[:most])
