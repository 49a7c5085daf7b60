"""redis - the store on a Redis or Valkey server, shared by every host that uses it.

Each verb is one Lua script and one round trip. A request is answered within the timeout or fails, connecting
included; nothing is tried twice but a script that the server has forgotten. All keys of a script carry one
hash tag, ``{name}``, so they lie in one slot of a Cluster. Times are the caller's: the server's own clock
only removes what has long expired.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from hashlib import sha1
from importlib.resources import files

from tamis.errors import TempFail
from tamis.store import Charge, Window
from tamis.store.address import RedisAddress
from tamis.store.attempt import Attempt, Sight
from tamis.store.bucket import MICROS, ONCE_US, SKEW_US
from tamis.store.redis_link import RedisLink, connect, refused, unavailable
from tamis.store.resp import Refusal, Reply, bulks

# The server will not change its mind on this connection; another one may lead to another server.
_RECONNECT = frozenset({"READONLY", "LOADING", "MASTERDOWN", "NOAUTH", "NOPERM"})

UNINTELLIGIBLE = "gave an answer that we do not understand"


class _Script:
    """A Lua file of this package, called by its hash."""

    def __init__(self, name: str) -> None:
        source = files("tamis.store").joinpath(f"{name}.lua").read_bytes()
        self._by_hash = bulks(("EVALSHA", sha1(source, usedforsecurity=False).hexdigest()))
        self._by_source = bulks(("EVAL", source))

    def call(self, keys: Sequence[str], args: Sequence[str | int], *, by_source: bool) -> bytes:
        """The command."""
        head = self._by_source if by_source else self._by_hash
        return b"*%d\r\n" % (3 + len(keys) + len(args)) + head + bulks((len(keys), *keys, *args))


class RedisStore:
    """See `Store`. Connects at the first request."""

    def __init__(self, address: RedisAddress, prefix: str, timeout_s: float) -> None:
        self._address = address
        self._prefix = prefix
        self._timeout_s = timeout_s
        self._charge = _Script("charge")
        self._first_seen = _Script("first_seen")
        self._link: RedisLink | None = None
        self._connecting: asyncio.Task[RedisLink] | None = None
        self._closed = False

    async def charge(
        self, subject: str, windows: Sequence[Window], cost: int, now: float, once: str = ""
    ) -> Charge:
        """See `Store.charge`."""
        attempt = Attempt.of(subject, windows, cost, now, once)
        reply = await self._run(self._charge, charge_keys(self._prefix, attempt), _charge_args(attempt))
        try:
            repeated, allowed, remaining, wait_us, window = map(int, reply.split())
        except ValueError as exc:
            raise unavailable(UNINTELLIGIBLE) from exc
        wait_s = wait_us / MICROS if wait_us >= 0 else math.inf
        return Charge(bool(allowed), remaining, wait_s, window, bool(repeated))

    async def first_seen(self, key: str, now: float, keep_s: float) -> float:
        """See `Store.first_seen`."""
        sight = Sight.of(key, now, keep_s)
        life_ms = round((keep_s * MICROS + SKEW_US) / 1000)
        args = (repr(float(now)), repr(float(sight.expires)), SKEW_US // MICROS, life_ms)
        reply = await self._run(self._first_seen, [f"{self._prefix}{{{sight.name}}}s"], args)
        try:
            return float(reply)
        except ValueError as exc:
            raise unavailable(UNINTELLIGIBLE) from exc

    async def close(self) -> None:
        """See `Store.close`."""
        self._closed = True
        if self._connecting is not None:
            await asyncio.wait([self._connecting])
        if link := self._live_link():
            await link.close()

    async def _run(self, script: _Script, keys: Sequence[str], args: Sequence[str | int]) -> bytes:
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        link = self._live_link() or await self._connect(deadline)
        reply = await link.request(script.call(keys, args, by_source=False), deadline)
        if isinstance(reply, Refusal) and reply.code == "NOSCRIPT":
            reply = await link.request(script.call(keys, args, by_source=True), deadline)
        return _text(link, reply)

    def _live_link(self) -> RedisLink | None:
        link = self._link
        if link is None or link.closed or link.loop is not asyncio.get_running_loop():
            return None
        return link

    async def _connect(self, deadline: float) -> RedisLink:
        """One attempt serves all who wait for it; it ends by the deadline of the first, so by everybody's."""
        if self._closed:
            raise TempFail("4.3.0", "State store is closed")
        if self._connecting is None:
            self._connecting = asyncio.create_task(connect(self._address, deadline))
            self._connecting.add_done_callback(self._connected)
        return await asyncio.shield(self._connecting)  # who goes away takes it from nobody

    def _connected(self, task: asyncio.Task[RedisLink]) -> None:
        self._connecting = None
        if not task.cancelled() and task.exception() is None:
            self._link = task.result()


def charge_keys(prefix: str, attempt: Attempt) -> list[str]:
    """The keys of a charge: one for each window, then that of the remembered answer."""
    tagged = f"{prefix}{{{attempt.name}}}"
    keys = [f"{tagged}w{limit.rate}" for limit in attempt.limits]
    return [*keys, f"{tagged}o{attempt.once}"] if attempt.once else keys


def _charge_args(attempt: Attempt) -> list[int]:
    args = [attempt.now_us, attempt.cost, SKEW_US, ONCE_US if attempt.once else 0]
    for limit in attempt.limits:
        args += (limit.unit, limit.drain, limit.capacity)
    return args


def _text(link: RedisLink, reply: Reply) -> bytes:
    if isinstance(reply, Refusal):
        if reply.code in _RECONNECT:
            link.end("sent us away")
        raise refused(reply)
    if not isinstance(reply, bytes):
        raise unavailable(UNINTELLIGIBLE)
    return reply
