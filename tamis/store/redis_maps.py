"""redis_maps - which server has which keys, where there are several: what a cluster or its Sentinels say of it.

A map is a list of servers by slot: 16384 of them in a cluster, and one for all keys where a master has replicas.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.backoff import NoBackoff
from redis.crc import REDIS_CLUSTER_HASH_SLOTS
from redis.exceptions import RedisError, ResponseError

from tamis.store.address import ClusterAddress, Place, SentinelAddress
from tamis.store.redis_client import open_client
from tamis.store.redis_failures import UNINTELLIGIBLE, NoMap

Slots = list[Place | None]

SHARE = 4  # of the timeout, so much is one host's: another can still be asked, and what was asked for be done


class Map(Protocol):
    """Asked by one task at a time."""

    async def find(self, suspects: frozenset[Place]) -> Slots:
        """Who has which keys now; *suspects* are asked last. Raises NoMap, and what the library raises."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...


class ClusterMap:
    """What the nodes of a cluster say, those of the configuration and those that were found through them."""

    def __init__(self, address: ClusterAddress, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._known: list[Place] = list(address.nodes)

    async def find(self, suspects: frozenset[Place]) -> Slots:
        """See `Map.find`."""
        failure: BaseException | None = None
        for place in sorted(self._known, key=lambda place: place in suspects):
            try:
                async with asyncio.timeout(self._timeout_s / SHARE):
                    ranges = await self._ask(place)
                slots, nodes = _read_slots(ranges, place[0])
            except (RedisError, OSError) as exc:
                failure = exc
            except (ValueError, TypeError, LookupError) as exc:
                failure = NoMap(UNINTELLIGIBLE)
                failure.__cause__ = exc
            else:
                self._known = list(dict.fromkeys([place, *nodes, *self._address.nodes]))
                return slots
        if isinstance(failure, ResponseError) and "cluster support disabled" in str(failure):
            raise NoMap("is no cluster, though its URL says so") from failure
        raise failure or NoMap("has no nodes")

    async def close(self) -> None:
        """See `Map.close`. There is nothing left open."""

    async def _ask(self, place: Place) -> Any:
        server = replace(self._address.server, host=place[0], port=place[1])
        client = open_client(server, self._timeout_s / SHARE)
        try:
            return await client.execute_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
        finally:
            with suppress(RedisError, OSError):
                await client.connection_pool.disconnect()


def _read_slots(ranges: Any, asked: str) -> tuple[Slots, list[Place]]:
    """The map, and all nodes; *asked* is the host of the one that says so.

    A node without a host is where it was asked. Raises ValueError, TypeError, LookupError."""
    slots: Slots = [None] * REDIS_CLUSTER_HASH_SLOTS
    nodes = []
    for first, last, *servers in ranges:
        if not 0 <= first <= last < REDIS_CLUSTER_HASH_SLOTS:
            raise ValueError("no such slots")
        places = [(host_of(server[0], asked), int(server[1])) for server in servers]
        slots[first : last + 1] = [places[0]] * (last + 1 - first)
        nodes += places
    return slots, nodes


def host_of(said: bytes | str | None, asked: str) -> str:
    """The host that a node names; where it says that it knows none, the one it was asked at."""
    text = said.decode("ascii") if isinstance(said, bytes) else said
    return asked if text in (None, "", "?") else str(text)


class SentinelMap:
    """What the first Sentinel says that can be reached and knows the master."""

    def __init__(self, address: SentinelAddress, timeout_s: float) -> None:
        self._name = address.name
        share_s = timeout_s / SHARE
        options: dict[str, Any] = {
            "username": address.username or None,
            "password": address.password or None,
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
            "socket_connect_timeout": share_s,
            "socket_timeout": share_s,
        }
        if address.server.tls:
            options |= {"ssl": True, "ssl_check_hostname": True}
        sentinels = list(address.sentinels)
        self._sentinel = Sentinel(sentinels, sentinel_kwargs=options)  # type: ignore[no-untyped-call]

    async def find(self, suspects: frozenset[Place]) -> Slots:
        """See `Map.find`. It is theirs to suspect somebody."""
        try:
            host, port = await self._sentinel.discover_master(self._name)
        except MasterNotFoundError as exc:
            raise NoMap("cannot be found: no Sentinel that we reach knows its master") from exc
        return [(str(host), int(port))]

    async def close(self) -> None:
        """See `Map.close`."""
        clients: Sequence[Redis] = self._sentinel.sentinels
        for client in clients:
            with suppress(RedisError, OSError):
                await client.connection_pool.disconnect()
