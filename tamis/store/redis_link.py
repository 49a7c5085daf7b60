"""redis_link - one connection to Redis that all requests in flight share.

Commands of one turn of the event loop leave in one write, replies come back in order. A caller who goes away
leaves a place in the row that swallows its reply, so replies never cross. The first request that is not
answered in time ends the connection: behind it everything is stuck as well. It does not reconnect.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections import deque
from dataclasses import dataclass
from typing import cast

from tamis.errors import ProtocolError, TempFail
from tamis.store.address import RedisAddress
from tamis.store.resp import Refusal, Replies, Reply, encode

KEEPALIVE_S = 30


@dataclass(frozen=True, slots=True)
class _Request:
    """*deadline* is the loop's time."""

    future: asyncio.Future[Reply]
    deadline: float


class RedisLink(asyncio.Protocol):
    """Made by `connect`. *closed* is true once it is of no further use."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.closed = False
        self._replies = Replies()
        self._in_flight: deque[_Request] = deque()
        self._out: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._lost = loop.create_future()
        self._transport: asyncio.Transport | None = None

    def request(self, command: bytes, deadline: float) -> asyncio.Future[Reply]:
        """The reply to *command*. The future may be cancelled; it fails with TempFail at *deadline*."""
        future: asyncio.Future[Reply] = self.loop.create_future()
        if self.closed:
            future.set_exception(unavailable("closed the connection"))
            return future
        if not self._out:
            self.loop.call_soon(self._write)
        self._out.append(command)
        self._in_flight.append(_Request(future, deadline))
        if self._timer is None or deadline < self._timer.when():
            self._watch(deadline)
        return future

    async def close(self) -> None:
        """Wait for what is in flight, then close."""
        if waiting := [request.future for request in self._in_flight if not request.future.done()]:
            await asyncio.wait(waiting)
        self.end("was closed by us")
        await self._lost

    def end(self, reason: str) -> None:
        """Close at once: every request in flight fails with TempFail."""
        if self.closed:
            return
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        while self._in_flight:
            future = self._in_flight.popleft().future
            if not future.done():
                future.set_exception(unavailable(reason))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own do not inherit from it
        sock = transport.get_extra_info("socket")
        if sock.family != socket.AF_UNIX:  # a firewall that forgot us is noticed before the next request
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        try:
            replies = self._replies.feed(data)
        except ProtocolError:
            self.end("does not speak the Redis protocol")
            return
        if len(replies) > len(self._in_flight):
            self.end("answers what was not asked")
            return
        for reply in replies:
            future = self._in_flight.popleft().future
            if not future.done():
                future.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.end("closed the connection")
        if not self._lost.done():
            self._lost.set_result(None)

    def _write(self) -> None:
        if self._transport is not None and not self.closed:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _watch(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(deadline, self._overdue)

    def _overdue(self) -> None:
        """Deadlines rise along the row but for second attempts, so look at all: twice a timeout is cheap."""
        self._timer = None
        if self._in_flight:
            first = min(request.deadline for request in self._in_flight)
            if first <= self.loop.time():
                self.end("does not answer in time")
            else:
                self._watch(first)


async def connect(address: RedisAddress, deadline: float) -> RedisLink:
    """A link that is logged in. Raises TempFail, at *deadline* (loop time) at the latest."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout_at(deadline):
            link = await _open(address, loop)
    except TimeoutError as exc:
        raise unavailable("does not answer in time") from exc
    except (OSError, ValueError) as exc:  # ValueError: a host name that IDNA cannot encode
        raise unavailable(f"cannot be reached ({_reason(exc)})") from exc
    await _greet(link, address, deadline)
    return link


def _reason(exc: OSError | ValueError) -> str:
    """Without the address, which asyncio writes into its own sentences."""
    if isinstance(exc, ssl.SSLError):
        return "TLS failed"
    if isinstance(exc, socket.gaierror):
        return "its name was not found"
    errno = exc.errno if isinstance(exc, OSError) else None
    return os.strerror(errno) if errno else "connection failed"


async def _open(address: RedisAddress, loop: asyncio.AbstractEventLoop) -> RedisLink:
    def link() -> RedisLink:
        return RedisLink(loop)

    if address.socket:
        return (await loop.create_unix_connection(link, address.socket))[1]
    context = ssl.create_default_context() if address.tls else None
    return (await loop.create_connection(link, address.host, address.port, ssl=context))[1]


async def _greet(link: RedisLink, address: RedisAddress, deadline: float) -> None:
    """Log in, choose the database and say who we are, in one round trip."""
    commands = []
    if address.password:
        user = (address.username,) if address.username else ()
        commands.append(encode("AUTH", *user, address.password))
    if address.db:
        commands.append(encode("SELECT", address.db))
    commands.append(encode("CLIENT", "SETNAME", "tamis"))
    *replies, named = await asyncio.gather(*(link.request(command, deadline) for command in commands))
    # Our name is for the admin's eyes: a server that forbids it serves us too, one that wants a login does not.
    login = [named] if isinstance(named, Refusal) and named.code == "NOAUTH" else []
    for reply in replies + login:
        if isinstance(reply, Refusal):
            link.end("refused our login")
            raise refused(reply)


def unavailable(reason: str) -> TempFail:
    """*reason* is the rest of a sentence; mail peers may read it."""
    return TempFail("4.3.0", f"State store {reason}, try again later")


# By the first word of an error reply. The rest of the line may name keys: it is not repeated to mail peers.
_SENTENCES = {
    "OOM": "is out of memory",
    "READONLY": "is a read-only replica",
    "LOADING": "is still loading its data",
    "BUSY": "is busy with a script",
    "MISCONF": "cannot save its data",
    "NOREPLICAS": "has too few replicas",
    "MASTERDOWN": "has lost its master",
    "CLUSTERDOWN": "is a cluster that is down",
    "MOVED": "is a cluster, and a redis:// URL names one server",
    "NOAUTH": "wants a password",
    "WRONGPASS": "does not accept our password",
    "NOPERM": "does not permit our user to do this",
}


def refused(refusal: Refusal) -> TempFail:
    """What an error reply amounts to; the cause carries the server's own words for our log."""
    failure = unavailable(_SENTENCES.get(refusal.code, "refused the request"))
    failure.__cause__ = RuntimeError(refusal.text)
    return failure
