"""holding - what messages hold while they come in: the arithmetic, in whole microseconds. Pure.

What is held stands in a list for each subject, beside its buckets; hold.lua is the twin of `decide_held`, and the
contract test holds the two together. What is held does not drain: it is not taken yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tamis.store import Charge, Window
from tamis.store.attempt import Attempt, digest, micros
from tamis.store.bucket import (
    MAX_EXACT,
    MICROS,
    SKEW_US,
    Bucket,
    Limit,
    drained,
    judge,
    room,
)
from tamis.store.counters import MAX_HELD, MAX_KEEP_S, Hold, Level, Usage

TOKEN_DIGITS = 16
MAX_KEEP_US = round(MAX_KEEP_S * MICROS)

Entry = tuple[
    str, int, int
]  # token of a message, units, microseconds since the epoch after which it holds nothing


@dataclass(frozen=True, slots=True)
class Holding:
    """`Counters.hold` checked. keep: microseconds, 0 to settle. life: how long the list is worth keeping."""

    attempt: Attempt
    token: str
    keep: int
    more: bool
    lapse: bool
    life: int

    @classmethod
    def of(
        cls, subject: str, windows: Sequence[Window], hold: Hold, cost: int, now: float, once: str
    ) -> Holding:
        """Check the arguments of `Counters.hold`. Raises ValueError."""
        attempt = Attempt.of(subject, windows, cost, now, once)
        keep = micros(hold.keep_s)
        if not hold.message or keep > MAX_KEEP_US:
            raise ValueError(f"no such hold: {hold}")
        longest = max(
            max(0, limit.ends_us - attempt.now_us) if limit.ends_us else limit.capacity // limit.drain
            for limit in attempt.limits
        )
        token = digest(hold.message)[:TOKEN_DIGITS]
        return cls(attempt, token, keep, hold.more, hold.lapse, MAX_KEEP_US + longest)


def decide_held(
    holding: Holding, buckets: Sequence[Bucket | None], entries: Sequence[Entry], grant: Bucket | None
) -> tuple[Charge, list[Bucket], list[Entry]]:
    """The answer, the buckets (none where they stay), and the list as it is then."""
    attempt = holding.attempt
    now, limits = attempt.now_us, attempt.limits
    mine, kept, overdue = _sorted(holding, entries)
    extra = grant[0] if grant is not None and grant[1] > now else 0
    levels = [
        _raised(limit, drained(limit, bucket, now), overdue, extra)
        for limit, bucket in zip(limits, buckets, strict=True)
    ]
    others = sum(units for _, units, _ in kept)
    total = min((mine[1] if holding.more and mine else 0) + attempt.cost, MAX_EXACT + 1)
    raised = [_raised(limit, level, others, extra) for limit, level in zip(limits, levels, strict=True)]
    charge, _ = judge(limits, raised, total, now, extra)
    if not charge.allowed and mine and total <= mine[1]:
        charge = Charge(True, 0, 0.0, 0, False)
    taken = charge.allowed and not holding.keep
    if charge.allowed and holding.keep and total:
        kept.append((holding.token, total, now + holding.keep))
    elif not charge.allowed and holding.keep and mine:
        kept.append(mine)
    if taken:
        levels = [
            (min(level + total * limit.unit, MAX_EXACT), moment)
            for limit, (level, moment) in zip(limits, levels, strict=True)
        ]
    return charge, levels if overdue or (taken and total) else [], kept


def _sorted(holding: Holding, entries: Sequence[Entry]) -> tuple[Entry | None, list[Entry], int]:
    """What the message holds, what others hold, and how many units others held too long.

    What lies too far ahead was written before the clock was set back, and means nothing."""
    mine, kept, overdue, now = None, [], 0, holding.attempt.now_us
    for entry in entries:
        if entry[0] == holding.token:
            mine = entry
        elif now < entry[2] <= now + MAX_KEEP_US + SKEW_US:
            kept.append(entry)
        elif entry[2] <= now and not holding.lapse:
            overdue += entry[1]
    if len(kept) >= MAX_HELD:
        overdue += kept.pop(0)[1]
    return mine, kept, overdue


def _raised(limit: Limit, bucket: Bucket, units: int, extra: int) -> Bucket:
    """*bucket* with so many units more, as far as there is room."""
    level, moment = bucket
    return max(level, min(level + units * limit.unit, room(limit, extra))), moment


def usage(
    limits: Sequence[Limit],
    buckets: Sequence[Bucket | None],
    entries: Sequence[Entry],
    grant: Bucket | None,
    now: int,
) -> Usage:
    """`Counters.usage` of what a store found."""
    extra, until = grant if grant is not None and grant[1] > now else (0, 0)
    levels = []
    for limit, bucket in zip(limits, buckets, strict=True):
        level, moment = drained(limit, bucket, now)
        full = max(now, limit.lasts_until((level, moment))) if level else now
        left = max(0, (room(limit, extra) - level) // limit.unit)
        levels.append(Level(-(-level // limit.unit), left, full / MICROS))
    held = sum(entry[1] for entry in entries if now < entry[2] <= now + MAX_KEEP_US + SKEW_US)
    return Usage(tuple(levels), held, extra, until / MICROS)


def parse_entries(text: str) -> list[Entry]:
    """The list from `format_entries`. Raises ValueError."""
    entries = []
    for word in text.split():
        token, units, expires = word.split(":")
        entries.append((token, int(units), int(expires)))
    return entries


def format_entries(entries: Sequence[Entry]) -> str:
    """As it stands in a store: ``token:units:expires``, one behind the other."""
    return " ".join(f"{token}:{units}:{expires}" for token, units, expires in entries)
