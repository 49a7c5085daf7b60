"""redis_counters - the verbs about counters on a Redis server: a part of the store there.

To list the subjects of a check the keys are walked by SCAN, so many and no more. Of a Cluster each server is walked
that has one of so many words: all of them, but in clusters of dozens.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from struct import pack

from tamis.store import Charge, Window
from tamis.store.address import ClusterAddress
from tamis.store.attempt import Attempt, name_of
from tamis.store.bucket import GRANT, MICROS, ONCE_US, SKEW_US, Bucket
from tamis.store.counters import MAX_HELD, Hold, Usage
from tamis.store.holding import MAX_KEEP_US, Holding, parse_entries, usage
from tamis.store.inquiries import Grant, Look, named
from tamis.store.redis_verbs import RedisVerbs, lines_of

HELD = "h"
SCAN_STEPS = 1000
SCAN_COUNT = 1000
SCAN_TAGS = 64


class RedisCounters(RedisVerbs):
    """See `tamis.store.counters.Counters`."""

    async def hold(
        self, subject: str, windows: Sequence[Window], hold: Hold, cost: int, now: float, once: str = ""
    ) -> Charge:
        """See `Counters.hold`."""
        holding = Holding.of(subject, windows, hold, cost, now, once)
        attempt = holding.attempt
        keys, tagged = self._charge_keys(attempt), self._tagged(attempt.name)
        keys[len(attempt.limits) : len(attempt.limits)] = (tagged + GRANT, tagged + HELD)
        flags = (holding.token, holding.keep, int(holding.more), int(holding.lapse))
        args = (charge_word(attempt), *flags, MAX_KEEP_US, MAX_HELD, (holding.life + SKEW_US) // 1000)
        exact = bool(once) or (holding.keep > 0 and not (holding.more and cost))
        return await self._ask("hold", keys, args, read_charge, exact=exact)

    async def usage(self, subject: str, windows: Sequence[Window], now: float) -> Usage:
        """See `Counters.usage`."""
        look = Look.of(subject, windows, now)

        def read(reply: bytes) -> Usage:
            *buckets, grant, entries = lines_of(reply)
            return usage(
                look.limits, [*map(_bucket, buckets)], parse_entries(entries), _bucket(grant), look.now
            )

        return await self._ask("counters", self._counter_keys(look), ("usage",), read, exact=True)

    async def reset(self, subject: str, windows: Sequence[Window]) -> None:
        """See `Counters.reset`."""
        keys = self._counter_keys(Look.of(subject, windows, 0.0))
        await self._ask("counters", keys, ("reset",), len, exact=True)

    async def grant(self, subject: str, units: int, until: float, now: float) -> None:
        """See `Counters.grant`."""
        grant = Grant.of(units, until, now)
        args: tuple[str | int, ...] = ("grant",)
        if grant.units:
            args = ("grant", f"{grant.units} {grant.until}", (grant.until - grant.now + SKEW_US) // 1000)
        await self._ask("counters", [self._tagged(name_of(subject)) + GRANT], args, len, exact=True)

    async def subjects(self, prefix: str, most: int) -> tuple[tuple[str, ...], bool]:
        """See `Counters.subjects`."""
        pattern = re.sub(r"([][*?\\^-])", r"\\\1", f"{self._prefix}{{{prefix}") + "*}w*"
        tags = SCAN_TAGS if isinstance(self._address, ClusterAddress) else 1
        found: set[str] = set()
        walked: set[str] = set()
        complete = True
        for tag in range(tags):
            complete &= await self._walk(tag, pattern, walked, found, most)
        names = sorted(name for name in found if named(name, prefix))
        return tuple(names[:most]), complete and len(names) <= most

    async def _walk(self, tag: int, pattern: str, walked: set[str], found: set[str], most: int) -> bool:
        """Add what the server that has *tag* knows, if it was not walked before. Whether it was walked to its end."""
        before, cursor = f"{self._prefix}{{", "0"
        for step in range(SCAN_STEPS):
            args = ("scan", cursor, pattern, SCAN_COUNT)
            keys = [self._tagged(f"scan{tag}")]
            server, cursor, *names = await self._ask("counters", keys, args, _keys, exact=True)
            if not step and server in walked:
                return True
            walked.add(server)
            found.update(name.removeprefix(before).partition("}")[0] for name in names)
            if cursor == "0" or len(found) > most:
                break
        return cursor == "0"

    def _counter_keys(self, look: Look) -> list[str]:
        tagged = self._tagged(look.name)
        return [*(f"{tagged}w{limit.rate}" for limit in look.limits), tagged + GRANT, tagged + HELD]

    def _charge_keys(self, attempt: Attempt) -> list[str]:
        """The keys of a charge: one for each window, then that of the remembered answer."""
        tagged = self._tagged(attempt.name)
        keys = [f"{tagged}w{limit.rate}" for limit in attempt.limits]
        return [*keys, f"{tagged}o{attempt.once}"] if attempt.once else keys


def charge_word(attempt: Attempt) -> bytes:
    """The numbers of a charge, as attempt.lua wants them. Doubles hold them all: see `MAX_EXACT`."""
    numbers = [attempt.now_us, attempt.cost, SKEW_US, ONCE_US if attempt.once else 0]
    for limit in attempt.limits:
        numbers += (limit.unit, limit.drain, limit.capacity, limit.ends_us)
    return pack(f"<{len(numbers)}d", *numbers)


def read_charge(reply: bytes) -> Charge:
    """The reply of charge.lua. Raises ValueError."""
    repeated, allowed, remaining, wait_us, window = map(int, reply.split())
    wait_s = wait_us / MICROS if wait_us >= 0 else math.inf
    return Charge(bool(allowed), remaining, wait_s, window, bool(repeated))


def _keys(reply: bytes) -> list[str]:
    """As `lines_of`, with whatever others call their keys."""
    return reply.decode("utf-8", "surrogateescape").split("\n")[:-1]


def _bucket(text: str) -> Bucket | None:
    if not text:
        return None
    level, moment = map(int, text.split())
    return level, moment
