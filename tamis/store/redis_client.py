"""redis_client - from the address of one server to a client of the library, redis-py."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from redis.asyncio import Connection, ConnectionPool, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from tamis.store.address import RedisAddress

KEEPALIVE_S = 30  # a firewall that forgot us is noticed before the next request


def open_client(address: RedisAddress, timeout_s: float) -> Redis:
    """A client that connects when it is first used, to be used by one task at a time.

    *timeout_s* bounds connecting and disconnecting. Writing and reading it does not: the library would start
    a timer for each single reply. Whoever runs a pipeline sets a deadline for the whole of it."""
    pool = ConnectionPool(
        **_place(address),
        db=address.db,
        username=address.username or None,
        password=address.password or None,
        protocol=2,
        redis_connect_func=_greet,
        retry=Retry(NoBackoff(), 0),  # a charge that is tried twice may be made twice
        socket_connect_timeout=timeout_s,
        socket_timeout=None,
        health_check_interval=0,
    )
    return Redis(connection_pool=pool)


def _place(address: RedisAddress) -> Mapping[str, Any]:
    if address.socket:
        return {"connection_class": UnixDomainSocketConnection, "path": address.socket}
    keepalive = {"socket_keepalive": True, "socket_keepalive_options": {socket.TCP_KEEPIDLE: KEEPALIVE_S}}
    place = {"host": address.host, "port": address.port, **keepalive}
    if address.tls:  # the library checked no host names before its version 6
        return {"connection_class": SSLConnection, "ssl_check_hostname": True, **place}
    return {"connection_class": Connection, **place}


async def _greet(connection: Connection) -> None:
    """Log in and say who we are. A server that wants a login we do not have says so here, not by hanging up
    in the middle of a pipeline."""
    await connection.on_connect()
    await connection.send_command("CLIENT", "SETNAME", "tamis")
    with suppress(ResponseError):  # our name is for the admin's eyes: a server that forbids it serves us too
        await connection.read_response()
