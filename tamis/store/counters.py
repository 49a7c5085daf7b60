"""counters - what a message takes before it is sure, and what admins do with counters: this part of the contract.

A message *holds* units while it comes in: they count, but they are not taken. Settled, it takes what it has cost, and
what it held is free at the same moment; what it held too long is free by itself. So nothing is ever given back out of
a window, and no sequence of the two gains a unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tamis.store import Charge, Window

MAX_KEEP_S = 86400.0
MAX_HELD = 100  # messages of one subject at a time: they are read at every request of the subject


@dataclass(frozen=True, slots=True)
class Hold:
    """message: its name, not empty. keep_s: how long it holds the units, at most `MAX_KEEP_S`; 0.0 settles it, and they
    are taken. more: the units come on top of those that it holds; otherwise they are all. lapse: what messages of this
    subject held too long is free; otherwise it is taken, as is the oldest of more than `MAX_HELD`."""

    message: str
    keep_s: float
    more: bool = False
    lapse: bool = True


@dataclass(frozen=True, slots=True)
class Level:
    """A window as it is now, without what messages hold: units used (rounded up) and left (rounded down; 0 or more),
    and the moment when it will be as new, in seconds since the epoch."""

    used: int
    left: int
    full_at: float


@dataclass(frozen=True, slots=True)
class Usage:
    """held: units that messages hold. extra: units that were granted, on top of each window, until *extra_until*."""

    levels: tuple[Level, ...]
    held: int = 0
    extra: int = 0
    extra_until: float = 0.0


class Counters(Protocol):
    """The verbs about counters, a part of `tamis.store.Store`. Each is one atomic step and raises TempFail 4.3.0."""

    async def hold(
        self, subject: str, windows: Sequence[Window], hold: Hold, cost: int, now: float, once: str = ""
    ) -> Charge:
        """Let a message hold *cost* units of every window of *subject*, or settle it.

        A message may always hold or take as much as it holds. What is refused when it is settled is held no longer.
        *cost* 0 with `more` looks alone. *once* and errors as `Store.charge`; ValueError for a bad *hold* too."""
        ...

    async def usage(self, subject: str, windows: Sequence[Window], now: float) -> Usage:
        """How full the windows of *subject* are; for admins. Raises ValueError as `Store.charge`."""
        ...

    async def reset(self, subject: str, windows: Sequence[Window]) -> None:
        """Make the windows of *subject* as new; nothing is held and nothing is granted."""
        ...

    async def grant(self, subject: str, units: int, until: float, now: float) -> None:
        """Let every window of *subject* hold so many *units* more until then; 0 takes it back. In place of a grant
        before. What was used beyond the limit counts on when it ends. Raises ValueError for negative numbers."""
        ...

    async def subjects(self, prefix: str, most: int) -> tuple[tuple[str, ...], bool]:
        """The subjects that begin with *prefix* and whose windows are not as new, in no order, as the store names
        them; at most *most*, and whether these are all. Over a network many steps: for admins."""
        ...
