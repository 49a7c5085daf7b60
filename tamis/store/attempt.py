"""attempt - what a caller asks of a store, checked and named once for all backends. Pure.

Names are what backends build keys of: bounded, printable, without braces, so that no sender can forge
another's key, break a Redis Cluster hash tag or grow the state by long addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from tamis.store import Window
from tamis.store.bucket import MAX_EXACT, MICROS, SKEW_US, Limit, limits_of

MAX_NAME = 120
MAX_ORDER = 16  # characters of `once` that stay as they are: of a caller who begins with a clock, a database
# then writes what is young together. At random places it writes ten times as many pages.


@dataclass(frozen=True, slots=True)
class Attempt:
    """A charge to be made: *once* is "" or a name of at most 65 characters, *now_us* microseconds since the
    epoch."""

    name: str
    limits: tuple[Limit, ...]
    cost: int
    now_us: int
    once: str

    @classmethod
    def of(cls, subject: str, windows: Sequence[Window], cost: int, now: float, once: str) -> Attempt:
        """Check the arguments of `Store.charge`. Raises ValueError."""
        if cost < 0:
            raise ValueError(f"a charge cannot be negative: {cost}")
        # No window holds more than MAX_EXACT units, so a greater cost is refused just the same.
        limits = limits_of(tuple(windows))
        return cls(
            name_of(subject),
            limits,
            min(cost, MAX_EXACT + 1),
            micros(now),
            name_of(once[:MAX_ORDER]) + digest(once) if once else "",
        )


@dataclass(frozen=True, slots=True)
class Sight:
    """A key that is seen now. *now* and *expires* are seconds since the epoch."""

    name: str
    now: float
    expires: float

    @classmethod
    def of(cls, key: str, now: float, keep_s: float) -> Sight:
        """Check the arguments of `Store.first_seen`. Raises ValueError."""
        micros(now)
        micros(keep_s)
        return cls(name_of(key), now, now + keep_s)

    def first(self, first: float, expires: float) -> float:
        """When it was first seen, if the store remembers *first* and until when it was worth remembering.

        What lies in the future was written before the clock was set back, and means nothing."""
        return first if self.now < expires and first <= self.now + SKEW_US / MICROS else self.now


def micros(now: float) -> int:
    """Seconds since the epoch as microseconds. Raises ValueError for a moment before 1970 or after 2112."""
    if not 0 <= now * MICROS <= MAX_EXACT:
        raise ValueError(f"no such moment: {now}")
    return round(now * MICROS)


def name_of(text: str) -> str:
    """*text* itself where it is short and harmless, else ``#`` and its hash. Different texts differ."""
    if 0 < len(text) <= MAX_NAME and text.isascii() and text.isprintable() and _harmless(text):
        return text
    return "#" + digest(text)


def _harmless(text: str) -> bool:
    return text[0] != "#" and "{" not in text and "}" not in text


def digest(text: str) -> str:
    """32 hex digits. Surrogates (8-bit bytes that Postfix passed on) are as good as any other character."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
