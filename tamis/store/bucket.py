"""bucket - the arithmetic of rate limits: GCRA in exact whole numbers. Pure.

GCRA in its continuous-state leaky bucket form (ITU-T I.371, Annex A; the same answers as virtual scheduling):
a bucket is a level, which drains all the time, and the moment when the level was true. charge.lua is the twin
of `decide`; the contract test holds the two together.

A level is counted in parts so small that one unit and one microsecond are both a whole number of them. All
numbers stay below 2**52: Lua reckons in doubles, and there they are exact too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from tamis.store import ONCE_S, Charge, Window

MAX_EXACT = 2**52
MICROS = 1_000_000
ONCE_US = round(ONCE_S * MICROS)

# The clocks of hosts that share a store may differ by this much. What lies further ahead was written before a
# clock was set back and is forgotten: a bucket that waited for such a moment would be shut for as long.
SKEW_US = 60 * MICROS

Bucket = tuple[int, int]  # level in parts, moment in microseconds since the epoch
GRANT = "+"  # stands where a rate does: units that each bucket of a subject holds more, and until when


@dataclass(frozen=True, slots=True)
class Limit:
    """A window made ready: a charge of one adds *unit* parts, each microsecond takes *drain* parts away, and
    *capacity* parts are *count* units. *rate* names the window in keys. A stretch of a calendar drains nothing and
    ends at *ends_us* (microseconds since the epoch), which is 0 for all others."""

    rate: str
    count: int
    unit: int
    drain: int
    capacity: int
    ends_us: int = 0

    def lasts_until(self, bucket: Bucket) -> int:
        """The moment (microseconds since the epoch) when *bucket* is as empty as one never used."""
        level, moment = bucket
        return self.ends_us or moment - (-level // self.drain)


@lru_cache(maxsize=1024)
def limits_of(windows: tuple[Window, ...]) -> tuple[Limit, ...]:
    """*windows* made ready. Raises ValueError for none at all and for one that no number can express."""
    if not windows:
        raise ValueError("a charge needs at least one window")
    return tuple(map(_limit, windows))


def _limit(window: Window) -> Limit:
    period_us = round(window.period_s * MICROS)
    if not (1 <= window.count <= MAX_EXACT and 1 <= period_us <= MAX_EXACT):
        raise ValueError(f"no such window: {window}")
    if window.ends:
        if not 0 < window.ends * MICROS <= MAX_EXACT:
            raise ValueError(f"no such window: {window}")
        ends_us = round(window.ends * MICROS)
        return Limit(f"{window.count}@{ends_us}", window.count, 1, 0, window.count, ends_us)
    drain_per_part = Fraction(window.count, period_us).limit_denominator(MAX_EXACT // window.count)
    unit, drain = drain_per_part.denominator, drain_per_part.numerator
    return Limit(f"{window.count}/{period_us}", window.count, unit, drain, window.count * unit)


def decide(
    limits: Sequence[Limit],
    buckets: Sequence[Bucket | None],
    cost: int,
    now_us: int,
    grant: Bucket | None = None,
) -> tuple[Charge, list[Bucket]]:
    """Whether *cost* units fit into every bucket (None is an empty one), and the buckets as they are then.

    *grant* makes each larger, by so many units until a moment; it is looked at where nothing would be left without.
    No buckets are returned where there is nothing to write: the charge was refused or took nothing."""
    charge, filled = judge(limits, buckets, cost, now_us)
    if grant is not None and grant[1] > now_us and not (charge.allowed and charge.remaining):
        return judge(limits, buckets, cost, now_us, grant[0])
    return charge, filled


def judge(
    limits: Sequence[Limit], buckets: Sequence[Bucket | None], cost: int, now_us: int, extra: int = 0
) -> tuple[Charge, list[Bucket]]:
    """`decide` with so many *extra* units in each bucket."""
    filled: list[Bucket] = []
    tightest = (math.inf, 0)
    refused = (0.0, 0, 0)
    for index, (limit, bucket) in enumerate(zip(limits, buckets, strict=True)):
        level, moment = drained(limit, bucket, now_us)
        capacity = room(limit, extra) if extra else limit.capacity
        wait = _wait_us(limit, capacity, level, cost, now_us)
        if wait > refused[0]:
            refused = (wait, index, (capacity - level) // limit.unit)
        level += cost * limit.unit
        filled.append((level, moment))
        tightest = min(tightest, ((capacity - level) // limit.unit, index))
    if refused[0]:
        wait, index, remaining = refused
        return Charge(False, max(0, remaining), wait / MICROS, index, False), []
    return Charge(True, int(tightest[0]), 0.0, tightest[1], False), filled if cost else []


def room(limit: Limit, extra: int) -> int:
    """The parts that fit, with *extra* units granted; below 2**53, where Lua is exact too."""
    return limit.capacity + min(extra * limit.unit, MAX_EXACT)


def drained(limit: Limit, bucket: Bucket | None, now_us: int) -> Bucket:
    """*bucket* as it is now."""
    level, moment = bucket or (0, now_us)
    if limit.ends_us:  # named by its end: nobody else's units are in it, and none come back
        return level, 0
    if moment > now_us + SKEW_US:
        return 0, now_us
    if moment >= now_us:
        return level, moment
    return max(0, level - (now_us - moment) * limit.drain), now_us


def _wait_us(limit: Limit, capacity: int, level: int, cost: int, now_us: int) -> float:
    """Microseconds until *cost* fits; 0 now, inf never."""
    if cost * limit.unit > capacity:
        return math.inf
    over = level + cost * limit.unit - capacity
    if over <= 0:
        return 0
    return max(1, limit.ends_us - now_us) if limit.ends_us else -(-over // limit.drain)
