"""redis - the store on Redis or Valkey, shared by every host that uses it. The client is redis-py.

Each verb is one Lua script and one round trip, shared with all that is asked at the same time. A request is
answered within the timeout or fails, connecting included. One server is tried twice only with a script that it
has forgotten; several: see redis_router. Times are the caller's: the server's own clock only removes what has long
expired.
"""

from __future__ import annotations

from collections.abc import Sequence

from tamis.store import Acquaintance, Charge, Greylisted, Patience, Window
from tamis.store.attempt import Attempt, Sight
from tamis.store.bucket import MICROS, SKEW_US
from tamis.store.greylist import AT_ONCE_US, CLIENT, MESSAGE_US, PENALTIES, Inquiry, Visit
from tamis.store.redis_accounts import RedisAccounts
from tamis.store.redis_counters import RedisCounters, charge_word, read_charge
from tamis.store.redis_tallies import RedisTallies


class RedisStore(RedisAccounts, RedisCounters, RedisTallies):
    """See `Store`."""

    async def charge(
        self, subject: str, windows: Sequence[Window], cost: int, now: float, once: str = ""
    ) -> Charge:
        """See `Store.charge`."""
        attempt = Attempt.of(subject, windows, cost, now, once)
        exact = bool(once) or not cost
        return await self._ask(
            "charge", self._charge_keys(attempt), (charge_word(attempt),), read_charge, exact=exact
        )

    async def first_seen(self, key: str, now: float, keep_s: float) -> float:
        """See `Store.first_seen`."""
        sight = Sight.of(key, now, keep_s)
        life_ms = round((keep_s * MICROS + SKEW_US) / 1000)
        args = (repr(float(now)), repr(float(sight.expires)), SKEW_US // MICROS, life_ms)
        return await self._ask("first_seen", [f"{self._tagged(sight.name)}s"], args, float, exact=True)

    async def greylist(
        self, client: str, errand: str, patience: Patience, now: float, once: str = ""
    ) -> Greylisted:
        """See `Store.greylist`."""
        visit = Visit.of(client, errand, patience, now, once)
        tagged = self._tagged(visit.client)
        keys = [tagged + name for name in visit.names()][: 3 if visit.message else 2]
        times = (visit.now, visit.delay, visit.retry, visit.keep, visit.gap, MESSAGE_US)
        penalties = (visit.penalty, PENALTIES * visit.penalty, AT_ONCE_US)
        args = (*times, visit.known_after, visit.token, SKEW_US, *penalties)
        return await self._ask("greylist", keys, args, _read_greylisted, exact=bool(once))

    async def greylist_client(
        self, client: str, now: float, passes: int | None = None, keep_s: float = 0.0
    ) -> Acquaintance:
        """See `Store.greylist_client`."""
        inquiry = Inquiry.of(client, now, passes, keep_s)
        args: tuple[str | int, ...] = ()
        if inquiry.row is not None:
            life_ms = (round(keep_s * MICROS) + SKEW_US) // 1000 if passes else 0
            args = (" ".join(map(str, inquiry.row)), life_ms)
        key = self._tagged(inquiry.client) + CLIENT

        def read(reply: bytes) -> Acquaintance:
            one, two, expires = map(int, reply.split() or (0, 0, 0))
            return inquiry.answer((one, two, expires))

        return await self._ask("greylist_client", [key], args, read, exact=True)


def _read_greylisted(reply: bytes) -> Greylisted:
    wait_us, waited_us, known, new, announce = map(int, reply.split())
    return Greylisted(wait_us / MICROS, waited_us / MICROS, bool(known), bool(new), bool(announce))
