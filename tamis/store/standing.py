"""standing - what is held against an account, and how it changes: the arithmetic, in whole microseconds. Pure.

A row is five numbers: the moment before which nothing counts, the highest stage, until when it is remembered, until
when the account is locked (0: it is not), and how many locks there were in a row.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tamis.store.accounts import ANY_STANDING, Conduct, Count, Settlement, Sighting, Standing
from tamis.store.attempt import digest, micros, name_of
from tamis.store.bucket import MAX_EXACT, MICROS, SKEW_US

Row = tuple[int, int, int, int, int]
Change = Callable[[Row], tuple[Standing, Row | None]]

NOTHING: Row = (0, 0, 0, 0, 0)
FOREVER = MAX_EXACT
ACTIVITY_US = 400 * 86400 * MICROS  # a silence of more than a year is told by nobody
TOKEN_DIGITS = 12  # 48 bits: sets are small, and nobody gains by two values that are alike
MAX_MOST = 5000
_KIND = re.compile(r"[a-z]{1,16}")


@dataclass(frozen=True, slots=True)
class Sight:
    """A sighting made ready; times are microseconds. token: "" to look alone."""

    now: int
    kind: str
    token: str
    since: int
    upto: int
    oldest: int
    keep: int
    most: int
    graced: bool
    below: int

    @classmethod
    def of(cls, sighting: Sighting, now: int) -> Sight:
        """Check a sighting of *now*. Raises ValueError."""
        window, keep = micros(sighting.window_s), micros(sighting.keep_s)
        grace = micros(sighting.grace_s)
        if not (_KIND.fullmatch(sighting.kind) and 1 <= sighting.most <= MAX_MOST and window <= keep):
            raise ValueError(f"no such sighting: {sighting}")
        return cls(
            now=now,
            kind=sighting.kind,
            token=token_of(sighting.value, sighting.group) if sighting.value else "",
            since=max(0, now - window),
            upto=max(0, now - grace) if grace else now + SKEW_US,
            oldest=max(0, now - keep),
            keep=keep,
            most=sighting.most,
            graced=grace > 0,
            below=sighting.below,
        )


@dataclass(frozen=True, slots=True)
class Watch:
    """What is asked by `Accounts.watch`, checked. settled: kind, group and how many of it are well."""

    name: str
    now: int
    silence: int
    sights: tuple[Sight, ...]
    settled: tuple[str, str, int] | None

    @property
    def keep(self) -> int:
        """How long the account is remembered: until a silence can be told, else no longer than what it did."""
        return ACTIVITY_US if self.silence else max((sight.keep for sight in self.sights), default=0)

    @classmethod
    def of(
        cls,
        account: str,
        sightings: Sequence[Sighting],
        now: float,
        silence_s: float,
        settlement: Settlement | None,
    ) -> Watch:
        """Check the arguments of `Accounts.watch`. Raises ValueError."""
        now_us = micros(now)
        sights = tuple(Sight.of(sighting, now_us) for sighting in sightings)
        settled = None
        if settlement is not None:
            if settlement.kind not in {sight.kind for sight in sights} or settlement.well < 0:
                raise ValueError(f"no such settlement: {settlement}")
            settled = (settlement.kind, group_of(settlement.group), settlement.well)
        return cls(name_of(account), now_us, micros(silence_s), sights, settled)

    def nothing(self, standing: Standing, woke: int) -> Conduct:
        """The answer where nothing is counted."""
        return Conduct(standing, (Count(0, 0),) * len(self.sights), woke / MICROS)


def group_of(group: str) -> str:
    """How the tokens of a group begin; "" for no group."""
    return digest(group)[:TOKEN_DIGITS] + "." if group else ""


def token_of(value: str, group: str) -> str:
    """What stands for a value in a set: 12 or 25 characters."""
    return group_of(group) + digest(value)[:TOKEN_DIGITS]


def remainder_of(group: str, number: int) -> str:
    """The token of something of a settled *group* (of `group_of`) that is not well; no value has such a one."""
    return f"!{group}{number}"


def awake(activity: tuple[int, int], now: int, silence: int) -> tuple[int, int]:
    """When the account woke and when it was seen last, from the same of before: (0, 0) for never."""
    woke, last = activity
    if 0 < last <= now + SKEW_US and silence and now - last >= silence:
        woke = now
    return (woke if woke <= now + SKEW_US else 0), now


def standing_of(row: Row, now: int, *, raised: bool = False) -> Standing:
    """What *row* means at *now*."""
    _, stage, until, locked_until, locks = row
    if until <= now:
        stage, until = 0, 0
    return Standing(stage, until / MICROS, _moment(locked_until, now), locks, raised)


def _moment(locked_until: int, now: int) -> float:
    if locked_until <= now:
        return 0.0
    return math.inf if locked_until >= FOREVER else locked_until / MICROS


def expires_of(row: Row) -> int:
    """When *row* says nothing any more."""
    return max(row[0], row[2], row[3]) + ACTIVITY_US


def floor_of(row: Row, sight: Sight) -> int:
    """The moment after which *sight* counts. A row of the future was written before the clock was set back."""
    return max(sight.since, row[0]) if row[0] <= sight.now + SKEW_US else sight.since


def upto_of(sight: Sight, settled: int) -> int:
    """The last moment that *sight* counts where something was *settled* last then."""
    return min(sight.upto, settled) if sight.graced else sight.upto


def escalation(
    stage: int, keep_s: float, now: float, lives_s: Sequence[float], forgive_s: float
) -> tuple[int, Change]:
    """*now*, and what `Accounts.escalate` makes of a row; None: it stays. Raises ValueError."""
    _check_stage(stage)
    now_us, keep, forgive = micros(now), micros(keep_s), micros(forgive_s)
    lives = tuple(_life(life_s) for life_s in lives_s)

    def change(row: Row) -> tuple[Standing, Row | None]:
        since, held, until, locked_until, locks = row
        if (locked_until if lives else until if held >= stage else 0) > now_us:
            return standing_of(row, now_us), None
        if lives:
            locks = 1 if now_us - locked_until >= forgive else locks + 1
            end = min(FOREVER, now_us + lives[min(locks, len(lives)) - 1])
            new: Row = (end, stage, end, end, locks)
        else:
            new = (since, stage, now_us + keep, locked_until, locks)
        return standing_of(new, now_us, raised=True), new

    return now_us, change


def by_admin(life_s: float, now: float, stage: int) -> tuple[int, Change]:
    """*now*, and what `Accounts.lock` makes of a row; the standing is the one before. Raises ValueError."""
    _check_stage(stage)
    now_us, life = micros(now), _life(life_s)
    end = min(FOREVER, now_us + life)

    def change(row: Row) -> tuple[Standing, Row | None]:
        new: Row = (end, stage, end, end, row[4]) if life else (now_us, 0, 0, 0, 0)
        return standing_of(row, now_us), new

    return now_us, change


def _check_stage(stage: int) -> None:
    if not 1 <= stage < ANY_STANDING:
        raise ValueError(f"no such stage: {stage}")


def _life(life_s: float) -> int:
    return FOREVER if life_s == math.inf else micros(life_s)
