"""memory_accounts - the verbs about accounts in dictionaries: a part of the store in memory."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

from tamis.store.accounts import Conduct, Count, Settlement, Sighting, Standing
from tamis.store.attempt import micros, name_of
from tamis.store.bucket import MICROS
from tamis.store.standing import (
    NOTHING,
    Change,
    Row,
    Sight,
    Watch,
    awake,
    by_admin,
    escalation,
    expires_of,
    floor_of,
    remainder_of,
    standing_of,
    upto_of,
)

Things = dict[str, tuple[int, int]]  # by token: when it was seen first (0: nobody knows), and last


@dataclass(slots=True)
class _Account:
    """woke, last and settled are moments in microseconds, 0 for never."""

    row: Row = NOTHING
    woke: int = 0
    last: int = 0
    settled: int = 0
    keep: int = 0
    things: dict[str, Things] = field(default_factory=dict)

    def expires(self) -> int:
        return max(expires_of(self.row), self.last + self.keep)


class MemoryAccounts:
    """See `tamis.store.accounts.Accounts`."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}

    async def watch(
        self,
        account: str,
        sightings: Sequence[Sighting],
        now: float,
        silence_s: float = 0.0,
        settlement: Settlement | None = None,
    ) -> Conduct:
        """See `Accounts.watch`."""
        watch = Watch.of(account, sightings, now, silence_s, settlement)
        known = self._accounts.get(watch.name, _Account())
        standing = standing_of(known.row, watch.now)
        if not watch.sights or standing.locked_until:
            return watch.nothing(standing, known.woke)
        self._accounts[watch.name] = known
        for sight in watch.sights:
            if sight.token and standing.stage < sight.below:
                _remember(known.things.setdefault(sight.kind, {}), sight)
        if watch.settled is not None:
            kind, group, well = watch.settled
            _settle(known.things.setdefault(kind, {}), group, well, watch.now)
            known.settled = watch.now
        known.keep = watch.keep
        known.woke, known.last = awake((known.woke, known.last), watch.now, watch.silence)
        counts = tuple(_count(known, sight) for sight in watch.sights)
        self._sweep(now)
        return Conduct(standing, counts, known.woke / MICROS)

    async def escalate(
        self,
        account: str,
        stage: int,
        keep_s: float,
        now: float,
        lives_s: Sequence[float] = (),
        forgive_s: float = 0.0,
    ) -> Standing:
        """See `Accounts.escalate`."""
        return self._change(account, escalation(stage, keep_s, now, lives_s, forgive_s)[1])

    async def lock(self, account: str, life_s: float, now: float, stage: int = 1) -> Standing:
        """See `Accounts.lock`."""
        return self._change(account, by_admin(life_s, now, stage)[1])

    def _change(self, account: str, change: Change) -> Standing:
        known = self._accounts.setdefault(name_of(account), _Account())
        standing, row = change(known.row)
        known.row = row or known.row
        return standing

    async def locked(self, now: float) -> tuple[tuple[str, Standing], ...]:
        """See `Accounts.locked`."""
        now_us = micros(now)
        found = ((name, standing_of(known.row, now_us)) for name, known in sorted(self._accounts.items()))
        return tuple((name, standing) for name, standing in found if standing.locked_until)

    def _sweep_accounts(self, oldest: float) -> None:
        kept = {n: known for n, known in self._accounts.items() if known.expires() >= oldest * MICROS}
        self._accounts = kept

    def _sweep(self, now: float) -> None:
        raise NotImplementedError


def _remember(things: Things, sight: Sight) -> None:
    first, last = things.get(sight.token, (0, 0))
    if last <= sight.oldest:
        for token in [token for token, (_, seen) in things.items() if seen <= sight.oldest]:
            del things[token]
        full = len(things) >= sight.most
        for token in heapq.nsmallest(len(things) - sight.most + 1, things, key=lambda t: (things[t][1], t)):
            del things[token]
        first = 0 if full or sight.graced else sight.now
    things[sight.token] = (first, sight.now)


def _settle(things: Things, group: str, well: int, now: int) -> None:
    members = [token for token in things if token.startswith(group)]
    for token in members:
        del things[token]
    for number in range(len(members) - well):
        things[remainder_of(group, number)] = (0, now)


def _count(known: _Account, sight: Sight) -> Count:
    floor = floor_of(known.row, sight)
    upto = upto_of(sight, known.settled)
    things = known.things.get(sight.kind, {}).values()
    return Count(
        sum(floor < last <= upto for _, last in things), sum(floor < first <= upto for first, _ in things)
    )
