"""redis - the store on Redis or Valkey, shared by every host that uses it. The client is redis-py.

Each verb is one Lua script and one round trip, shared with all that is asked at the same time. A request is
answered within the timeout or fails, connecting included. One server is tried twice only with a script that it
has forgotten; several: see redis_router. All keys of a script carry one hash tag, ``{name}``, so they lie in one
slot of a Cluster. Times are the caller's: the server's own clock only removes what has long expired.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tamis.errors import TempFail
from tamis.store import Acquaintance, Charge, Greylisted, Patience, Window
from tamis.store.address import AnyRedis
from tamis.store.attempt import Attempt, Sight
from tamis.store.bucket import MICROS, SKEW_US
from tamis.store.greylist import CLIENT, MESSAGE_US, Inquiry, Visit
from tamis.store.redis_accounts import RedisAccounts, Scripts
from tamis.store.redis_counters import CounterScripts, RedisCounters, charge_args, charge_keys, read_charge
from tamis.store.redis_desk import Desk
from tamis.store.redis_lane import Script
from tamis.store.redis_router import open_server
from tamis.store.redis_tallies import RedisTallies, TallyScripts


class RedisStore(RedisAccounts, RedisCounters, RedisTallies):
    """See `Store`. Connects at the first request, and anew for each event loop it is used from."""

    def __init__(self, address: AnyRedis, prefix: str, timeout_s: float) -> None:
        self._address = address
        self._prefix = prefix
        self._timeout_s = timeout_s
        self._charge = Script("charge")
        self._first_seen = Script("first_seen")
        self._greylist = Script("greylist")
        self._greylist_client = Script("greylist_client")
        self._scripts = Scripts()
        self._counter_scripts = CounterScripts()
        self._tally_scripts = TallyScripts()
        self._desk: Desk | None = None
        self._closed = False

    async def charge(
        self, subject: str, windows: Sequence[Window], cost: int, now: float, once: str = ""
    ) -> Charge:
        """See `Store.charge`."""
        attempt = Attempt.of(subject, windows, cost, now, once)
        keys = charge_keys(self._prefix, attempt)
        return await self._here().ask(
            self._charge, keys, charge_args(attempt), read_charge, exact=bool(once) or not cost
        )

    async def first_seen(self, key: str, now: float, keep_s: float) -> float:
        """See `Store.first_seen`."""
        sight = Sight.of(key, now, keep_s)
        life_ms = round((keep_s * MICROS + SKEW_US) / 1000)
        args = (repr(float(now)), repr(float(sight.expires)), SKEW_US // MICROS, life_ms)
        keys = [f"{self._prefix}{{{sight.name}}}s"]
        return await self._here().ask(self._first_seen, keys, args, float, exact=True)

    async def greylist(
        self, client: str, errand: str, patience: Patience, now: float, once: str = ""
    ) -> Greylisted:
        """See `Store.greylist`."""
        visit = Visit.of(client, errand, patience, now, once)
        tagged = f"{self._prefix}{{{visit.client}}}"
        keys = [tagged + name for name in visit.names()][: 3 if visit.message else 2]
        times = (visit.now, visit.delay, visit.retry, visit.keep, visit.gap, MESSAGE_US)
        args = (*times, visit.known_after, visit.token, SKEW_US)
        return await self._here().ask(self._greylist, keys, args, _read_greylisted, exact=bool(once))

    async def greylist_client(
        self, client: str, now: float, passes: int | None = None, keep_s: float = 0.0
    ) -> Acquaintance:
        """See `Store.greylist_client`."""
        inquiry = Inquiry.of(client, now, passes, keep_s)
        args: tuple[str | int, ...] = ()
        if inquiry.row is not None:
            life_ms = (round(keep_s * MICROS) + SKEW_US) // 1000 if passes else 0
            args = (" ".join(map(str, inquiry.row)), life_ms)
        key = f"{self._prefix}{{{inquiry.client}}}{CLIENT}"

        def read(reply: bytes) -> Acquaintance:
            one, two, expires = map(int, reply.split() or (0, 0, 0))
            return inquiry.answer((one, two, expires))

        return await self._here().ask(self._greylist_client, [key], args, read, exact=True)

    async def close(self) -> None:
        """See `Store.close`."""
        self._closed = True
        desk, self._desk = self._desk, None
        if desk is not None and desk.loop is asyncio.get_running_loop():
            await desk.close()

    def _here(self) -> Desk:
        """That of the running loop. What another one has left, which has ended, can be neither used nor closed."""
        if self._closed:
            raise TempFail("4.3.0", "State store is closed")
        if self._desk is None or self._desk.loop is not asyncio.get_running_loop():
            self._desk = Desk(open_server(self._address, self._timeout_s), self._timeout_s)
        return self._desk


def _read_greylisted(reply: bytes) -> Greylisted:
    wait_us, waited_us, known, new, announce = map(int, reply.split())
    return Greylisted(wait_us / MICROS, waited_us / MICROS, bool(known), bool(new), bool(announce))
