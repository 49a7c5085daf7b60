"""ratelimit_windows - limits as an admin writes them, and the windows that they are at a moment. Pure.

    100/1h       100 at once, regained evenly, one each 36 s
    500/day      500 from midnight to midnight in the zone, all of them new then; also hour, week (from Monday), month
    1GiB/1d      bytes

A stretch of the calendar is named by its end, so nothing must be reset and nothing is missed by a program that was
down at midnight. A day of 23 or 25 hours is a day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal, cast, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tamis.config.units import Unfit, format_duration, format_size, parse_rate, parse_size, quoted
from tamis.store import Window

Stretch = Literal["hour", "day", "week", "month"]

STRETCHES: tuple[str, ...] = get_args(Stretch)
MAX_UNITS = 1 << 40  # a tebibyte: beyond it the store's whole numbers would become coarse

_LENGTH_S = {"hour": 3600.0, "day": 86400.0, "week": 7 * 86400.0, "month": 31 * 86400.0}


@dataclass(frozen=True, slots=True)
class Limit:
    """So many units in so many seconds; with *stretch* in each hour, day, week or month."""

    count: int
    period_s: float
    stretch: Stretch | None = None

    @classmethod
    def parse(cls, text: str) -> Limit:
        """From ``100/1h``, ``500/day`` or ``1GiB/day``. Unfit is a sentence."""
        amount, slash, period = (part.strip() for part in text.partition("/"))
        if not (slash and period):
            raise Unfit(f'expected a limit such as "100/1h" or "500/day", not {quoted(text)}')
        try:
            count = parse_size(amount)
        except Unfit:
            raise Unfit(f"{quoted(amount)} is no count of 1 or more, and no size such as 500MiB") from None
        if not 1 <= count <= MAX_UNITS:
            raise Unfit(f"the count of a limit must be between 1 and {MAX_UNITS}, not {count}")
        if period in STRETCHES:
            return cls(count, _LENGTH_S[period], cast("Stretch", period))
        _, period_s = parse_rate(f"1/{period}")
        return cls(count, period_s)

    def __str__(self) -> str:
        return f"{self.count}/{self.stretch or format_duration(self.period_s)}"

    @property
    def in_bytes(self) -> str:
        """For a reader, where bytes are counted: ``10kB/day``."""
        return f"{format_size(self.count)}/{self.stretch or format_duration(self.period_s)}"

    def window(self, now: float, zone: tzinfo) -> Window:
        """What it is at *now* (seconds since the epoch) for somebody in *zone*."""
        if self.stretch is None:
            return Window(self.count, self.period_s)
        return Window(self.count, self.period_s, ends_at(self.stretch, now, zone))

    def next_unit_s(self, now: float, zone: tzinfo) -> float:
        """The most seconds until an exhausted limit has a unit again."""
        if self.stretch is None:
            return self.period_s / self.count
        return ends_at(self.stretch, now, zone) - now


def ends_at(stretch: Stretch, now: float, zone: tzinfo) -> float:
    """When the *stretch* that *now* lies in ends, both in seconds since the epoch."""
    local = datetime.fromtimestamp(now, zone)
    if stretch == "hour":
        past_s = local.minute * 60 + local.second
        return math.floor(now) - past_s + 3600.0
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if stretch == "day":
        following = midnight + timedelta(days=1)
    elif stretch == "week":
        following = midnight + timedelta(days=7 - midnight.weekday())
    else:
        following = (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    return following.timestamp()


def zone_of(name: str) -> tzinfo:
    """The zone ``Europe/Paris``. Raises ValueError for one that this host does not know."""
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{quoted(name)} is no time zone such as Europe/Paris") from None


def duration(seconds: float) -> str:
    """*seconds* for a reader, rounded up: ``90 seconds``, ``25 minutes``, ``7 hours``."""
    for unit_s, name in ((1, "second"), (60, "minute"), (3600, "hour")):
        if seconds <= 120 * unit_s or name == "hour":
            count = max(1, math.ceil(seconds / unit_s))
            break
    return f"{count} {name}{'s' if count > 1 else ''}"
