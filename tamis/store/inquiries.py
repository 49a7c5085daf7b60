"""inquiries - what admins ask of counters, checked. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tamis.store import Window
from tamis.store.attempt import micros, name_of
from tamis.store.bucket import Limit, limits_of

MAX_UNITS = 1 << 40


@dataclass(frozen=True, slots=True)
class Look:
    """`Counters.usage` and `Counters.reset`: whose windows."""

    name: str
    limits: tuple[Limit, ...]
    now: int

    @classmethod
    def of(cls, subject: str, windows: Sequence[Window], now: float) -> Look:
        """Raises ValueError."""
        return cls(name_of(subject), limits_of(tuple(windows)), micros(now))


@dataclass(frozen=True, slots=True)
class Grant:
    """`Counters.grant`: times are microseconds; units 0 takes it back."""

    units: int
    until: int
    now: int

    @classmethod
    def of(cls, units: int, until: float, now: float) -> Grant:
        """Raises ValueError."""
        grant = cls(units, micros(until), micros(now))
        if not 0 <= units <= MAX_UNITS or (units and grant.until <= grant.now):
            raise ValueError(f"no such grant: {units} units until {until}")
        return grant


def named(name: str, prefix: str) -> bool:
    """Whether a store's *name* is one of those asked for. What stands as a hash does not tell what it was."""
    return name.startswith(prefix) and not name.startswith("#")
