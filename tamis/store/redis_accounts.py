"""redis_accounts - the verbs about accounts on a Redis server: a part of the store there.

Sightings are counted by one script. Standings change seldom, so their arithmetic is Python's: the new row is put in
the place of the old one if that is still there, else it is reckoned anew. A list of those who may be locked lies
under a key of its own; it is written first, and who is in it is looked at one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

from tamis.errors import TempFail
from tamis.store.accounts import Conduct, Count, Settlement, Sighting, Standing
from tamis.store.attempt import micros, name_of
from tamis.store.bucket import MICROS, SKEW_US
from tamis.store.redis_lane import Word
from tamis.store.redis_verbs import RedisVerbs, lines_of
from tamis.store.standing import (
    NOTHING,
    Change,
    Row,
    Watch,
    by_admin,
    escalation,
    expires_of,
    standing_of,
)

TRIES = (
    10  # only those who hold something against the same account at the same moment are in each other's way
)
LISTED_US = 86400 * MICROS  # how long one whose lock has ended stays on the list, at least


class RedisAccounts(RedisVerbs):
    """See `tamis.store.accounts.Accounts`."""

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
        tagged = self._tagged(watch.name)
        keys = [f"{tagged}a", f"{tagged}v"]
        for sight in watch.sights:
            keys += (f"{tagged}l{sight.kind}", f"{tagged}f{sight.kind}")

        def read(reply: bytes) -> Conduct:
            numbers = list(map(int, reply.split()))
            if len(numbers) != 6 + 2 * len(watch.sights):
                raise ValueError("no such reply")
            standing, woke, found = standing_of(_row(numbers), watch.now), numbers[5], numbers[6:]
            counts = tuple(map(Count, found[::2], found[1::2]))
            return Conduct(standing, counts, woke / MICROS)

        return await self._ask("watch", keys, _watch_args(watch), read, exact=True)

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
        now_us, change = escalation(stage, keep_s, now, lives_s, forgive_s)
        name = name_of(account)
        if lives_s:
            await self._listed("SADD", name)
        return await self._change(name, change, now_us)

    async def lock(self, account: str, life_s: float, now: float, stage: int = 1) -> Standing:
        """See `Accounts.lock`."""
        now_us, change = by_admin(life_s, now, stage)
        name = name_of(account)
        if life_s:
            await self._listed("SADD", name)
            return await self._change(name, change, now_us)
        standing = await self._change(name, change, now_us)
        await self._listed("SREM", name)
        return standing

    async def locked(self, now: float) -> tuple[tuple[str, Standing], ...]:
        """See `Accounts.locked`. Whose lock has ended long ago is taken off the list."""
        now_us = micros(now)
        found = []
        for name in sorted(await self._listed("SMEMBERS")):
            row = _parsed(await self._swap(name, ""))
            standing = standing_of(row, now_us)
            if standing.locked_until:
                found.append((name, standing))
            elif 0 < row[3] < now_us - LISTED_US:  # one without a row is about to be locked
                await self._listed("SREM", name)
        return tuple(found)

    async def _change(self, name: str, change: Change, now_us: int) -> Standing:
        expected = ""
        for _ in range(TRIES):
            standing, row = change(_parsed(expected))
            if row is None:
                text, life_ms = "", 0
            else:
                text = " ".join(map(str, row))
                life_ms = (expires_of(row) - now_us + SKEW_US) // 1000
            found = await self._swap(name, expected, text, max(1, life_ms))
            if found == expected:
                return standing
            expected = found
        raise TempFail("4.3.0", "State store is changed by others all the time, try again later")

    async def _swap(self, name: str, expected: str, text: str = "", life_ms: int = 0) -> str:
        args: tuple[Word, ...] = (expected, text, life_ms) if text else (expected,)
        return await self._ask("swap", [f"{self._tagged(name)}v"], args, _text, exact=not text)

    async def _listed(self, command: str, *names: str) -> list[str]:
        """The list of accounts that may be locked."""
        return await self._ask(
            "listed", [self._tagged("locked accounts")], (command, *names), lines_of, exact=True
        )


def _watch_args(watch: Watch) -> list[str | int]:
    kind, group, well = watch.settled or ("", "", 0)
    settling = next((n for n, sight in enumerate(watch.sights, 1) if sight.kind == kind), 0)
    args: list[str | int] = [watch.now, watch.silence, SKEW_US, (watch.keep + SKEW_US) // 1000]
    args += (settling, group, well)
    for sight in watch.sights:
        args += (sight.token, sight.since, sight.upto, sight.oldest, sight.most)
        args += (int(sight.graced), sight.below, (sight.keep + SKEW_US) // 1000)
    return args


def _text(reply: bytes) -> str:
    """Raises ValueError for what is no row."""
    text = reply.decode("ascii")
    _parsed(text)
    return text


def _parsed(text: str) -> Row:
    return _row(list(map(int, text.split()))) if text else NOTHING


def _row(numbers: list[int]) -> Row:
    since, stage, until, locked_until, locks, *_ = numbers
    return since, stage, until, locked_until, locks
