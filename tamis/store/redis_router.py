"""redis_router - several servers that stand for one: each call goes to the one that has its keys.

The library's own pipeline for clusters waits for the slowest node before it answers anybody, sends what failed again
though it may have been done, and hangs up on all nodes when one fails. So each server has its own batches here, a
frozen one harms its own keys alone, and a call is sent again only where nothing can be done twice: it was refused, or
nobody was there, or it is exact.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AskError, MovedError

from tamis.store.address import AnyRedis, ClusterAddress, Place, RedisAddress, SentinelAddress
from tamis.store.redis_batches import RedisBatches
from tamis.store.redis_desk import Server
from tamis.store.redis_failures import sentence, was_lost, was_nobody_there, was_refused
from tamis.store.redis_lane import Call
from tamis.store.redis_maps import ClusterMap, Map, SentinelMap, Slots, host_of

PAUSE_S = 0.03  # between two looks at the map
MAX_DIRECT = 3  # a call that was sent on so often waits for the next look


def open_server(address: AnyRedis, timeout_s: float) -> Server:
    """What answers the calls to *address*. It connects at the first one."""
    match address:
        case RedisAddress():
            return RedisBatches(address, timeout_s)
        case SentinelAddress():
            return Router(SentinelMap(address, timeout_s), address.server, timeout_s)
        case ClusterAddress():
            return Router(ClusterMap(address, timeout_s), address.server, timeout_s)


class Router:
    """Used from the event loop in which it was made. *server*: how to speak to each; its place is not there."""

    def __init__(self, where: Map, server: RedisAddress, timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._map = where
        self._server = server
        self._timeout_s = timeout_s
        self._slots: Slots = []
        self._nodes: dict[Place, RedisBatches] = {}
        self._parked: list[Call] = []
        self._stale = False
        self._suspects: set[Place] = set()
        self._looking: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False

    def put(self, call: Call) -> None:
        """See `Server.put`."""
        if self._slots:
            self._send(call)
        else:
            self._park(call)

    async def close(self) -> None:
        """See `Server.close`."""
        self._closed = True
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        for call in self._parked:
            call.fail("is closed")
        nodes, self._nodes = list(self._nodes.values()), {}
        for node in nodes:
            await node.close()
        while self._leaving:
            await asyncio.wait(self._leaving)
        await self._map.close()

    def _send(self, call: Call) -> None:
        place = self._slots[key_slot(call.keys[0].encode(), len(self._slots))]
        if place is None:
            call.fail("is a cluster that has no server for a part of its keys")
            self._look()
        elif place == call.gone:
            call.fail(sentence(call.refusal, with_password=True) if call.refusal else "is gone", call.refusal)
        else:
            self._node(place).put(call)

    def _node(self, place: Place) -> RedisBatches:
        if place not in self._nodes:
            server = replace(self._server, host=place[0], port=place[1])
            self._nodes[place] = RedisBatches(server, self._timeout_s, partial(self._elsewhere, place))
        return self._nodes[place]

    def _elsewhere(self, place: Place, call: Call, exc: BaseException) -> bool:
        """The server at *place* does not answer *call*. Whether we care for it on."""
        if was_lost(exc) or was_nobody_there(exc):
            self._suspects.add(place)
        elif not was_refused(exc):
            return False
        self._look()
        again = was_refused(exc) or was_nobody_there(exc) or call.exact
        if self._closed or call.future.done() or not again:
            return False
        asked, call.asking = call.asking, False
        call.hops += 1
        call.refusal = exc
        call.gone = place if was_nobody_there(exc) else None
        moved = isinstance(exc, MovedError)  # which is an AskError too
        if isinstance(exc, AskError) and (call.hops <= MAX_DIRECT if moved else not asked):
            self._follow(call, exc, place)
        else:
            self._park(call)
        return True

    def _follow(self, call: Call, exc: AskError, place: Place) -> None:
        """A slot is served elsewhere: from now on, or this once, while it moves."""
        there = (host_of(exc.host, place[0]), exc.port)
        moved = isinstance(exc, MovedError)
        if moved and len(self._slots) == REDIS_CLUSTER_HASH_SLOTS and 0 <= exc.slot_id < len(self._slots):
            self._slots[exc.slot_id] = there
        call.asking = not moved
        self._node(there).put(call)

    def _park(self, call: Call) -> None:
        """Until we have looked at the map."""
        self._parked.append(call)
        self._look()

    def _look(self) -> None:
        self._stale = True
        if self._looking is None and not self._closed:
            self._looking = self._loop.create_task(self._look_around())

    async def _look_around(self) -> None:
        """Look at the map, and again while there is reason to."""
        try:
            while self._stale:
                self._stale = False
                calls, self._parked = self._parked, []
                suspects, self._suspects = frozenset(self._suspects), set()
                await self._look_once(calls, suspects)
                await asyncio.sleep(PAUSE_S)
        finally:
            self._looking = None

    async def _look_once(self, calls: Sequence[Call], suspects: frozenset[Place]) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                slots = await self._map.find(suspects)
        except Exception as exc:  # a server that is none makes the library raise anything
            for call in calls:
                cause = call.refusal or exc
                call.fail(sentence(cause, with_password=bool(self._server.password)), cause)
            return
        except BaseException as exc:  # the loop ends
            for call in calls:
                call.fail("is closed", exc)
            raise
        self._slots = slots
        for place in self._nodes.keys() - set(slots):
            task = self._loop.create_task(self._nodes.pop(place).close())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        for call in calls:
            if not call.future.done():
                self._send(call)
