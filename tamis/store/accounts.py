"""accounts - how an account behaves, and what is held against it: this part of the store's contract. Data alone.

What an account does is remembered as sets of bounded size, a set for each kind of thing: whom it writes to, where it
comes from. They are exact, for the counts that matter are small, and each forgets as time goes by; a sketch such as
HyperLogLog would do neither and save little. A standing is what became of it: the highest stage it has reached, and
until when it is locked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

ANY_STANDING = 1 << 20


@dataclass(frozen=True, slots=True)
class Sighting:
    """Something an account does now, and how such things are counted.

    kind: a lower-case word, the set. value: "" to look alone. window_s: over how long they are counted. keep_s: how
    long one is remembered after it was seen last, no less than window_s. most: so many are remembered, then the one
    that was seen longest ago is forgotten; more are never counted. grace_s: one counts only so long after it was seen
    and not before something was settled since: see `Settlement`. below: it is remembered only while the account's
    standing is a lower stage. group: what it can be settled by."""

    kind: str
    value: str
    window_s: float
    keep_s: float
    most: int
    grace_s: float = 0.0
    below: int = ANY_STANDING
    group: str = ""


@dataclass(frozen=True, slots=True)
class Settlement:
    """Of the things of *kind* in *group* so many are well, and count no more; the others of the group are not.

    To settle a group again changes nothing."""

    kind: str
    group: str
    well: int


@dataclass(frozen=True, slots=True)
class Count:
    """distinct: different things within the window. new: those of them that were seen for the first time then; none
    where there is a grace.

    Once a set is full, what was forgotten and what never was cannot be told apart: neither is new."""

    distinct: int
    new: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What is held against an account. Moments are seconds since the epoch.

    stage: the highest it has reached, 0 for none, and *until* when that is remembered. locked_until: 0.0 for no lock,
    `math.inf` until an admin lifts it. locks: how many there were in a row. raised: the caller, and nobody else, has
    brought it to this stage just now: whoever must be told is told by him."""

    stage: int = 0
    until: float = 0.0
    locked_until: float = 0.0
    locks: int = 0
    raised: bool = False


@dataclass(frozen=True, slots=True)
class Conduct:
    """The answer to `Accounts.watch`: one count for each sighting.

    woke: when the account did something again after a silence, in seconds since the epoch; 0.0 for never."""

    standing: Standing
    counts: tuple[Count, ...]
    woke: float


class Accounts(Protocol):
    """The verbs about accounts, a part of `tamis.store.Store`. Each is one atomic step and raises TempFail 4.3.0."""

    async def watch(
        self,
        account: str,
        sightings: Sequence[Sighting],
        now: float,
        silence_s: float = 0.0,
        settlement: Settlement | None = None,
    ) -> Conduct:
        """Remember what *account* does, and count; over a network one round trip.

        What a locked account does is neither remembered nor counted, and what it did before the lock, or before it
        was unlocked, is not counted after. After a *silence_s* without sightings it has woken; 0.0: never. Without
        sightings this only looks. Raises ValueError for negative times, sets that hold nothing and strange kinds."""
        ...

    async def escalate(
        self,
        account: str,
        stage: int,
        keep_s: float,
        now: float,
        lives_s: Sequence[float] = (),
        forgive_s: float = 0.0,
    ) -> Standing:
        """Hold *stage* against *account* for *keep_s* seconds, unless as much is held already.

        *lives_s* locks it too: for the first life, after a second lock in a row for the second one, and so on, the
        last for all others; `math.inf` until an admin lifts it. *forgive_s* without a lock make the next the first.
        Raises ValueError for negative times and a stage below 1."""
        ...

    async def lock(self, account: str, life_s: float, now: float, stage: int = 1) -> Standing:
        """An admin locks *account*, `math.inf` until he unlocks it; 0.0 unlocks it and nothing is held against it.

        What it did before counts no more. The answer is the standing it had. Raises ValueError as `escalate`."""
        ...

    async def locked(self, now: float) -> tuple[tuple[str, Standing], ...]:
        """All accounts that are locked, by name, as the store names them. Over a network one step an account."""
        ...
