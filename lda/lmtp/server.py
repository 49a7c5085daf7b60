"""server - LMTP connections, all in one event loop: an idle one costs a few kilobytes, not a worker.

Postfix keeps connections open for the next message; a server with one worker a connection starves on them.
Each message's recipients are delivered at the same time, and each is answered, in order, as soon as it is
durable: answers that come too late make duplicates, and a connection closed early does too.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from lda.deliver import Delivery
from lda.lmtp.connection import Connection
from tamis import metrics
from tamis.log import Log
from tamis.service.accept import connect


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """idle_s: silence after which a connection is closed. max_message_bytes: 0 is no limit.

    trusted: networks whose peers may use XCLIENT, besides those that reach a UNIX socket."""

    hostname: str
    idle_s: float
    max_connections: int
    max_message_bytes: int
    trusted: tuple[IPv4Network | IPv6Network, ...] = ()


class LmtpServer:
    """All LMTP connections of the program. delivery: asked anew for each message, so that a reload takes
    effect."""

    def __init__(self, limits: Limits, delivery: Callable[[], Delivery], threads: Executor, log: Log) -> None:
        self.limits = limits
        self.threads = threads
        self.delivery = delivery
        self.log = log
        self.draining = False
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    def take(self, connection: socket.socket) -> None:
        """Serve a new connection, non-blocking."""
        self.spawn(connect(connection, lambda: Connection(self), self.log, "lmtp connection lost"))

    def opened(self, connection: Connection) -> bool:
        """Whether there is room for it."""
        self._connections.add(connection)
        metrics.set_lda_connections("lmtp", len(self._connections))
        return not self.draining and len(self._connections) <= self.limits.max_connections

    def closed(self, connection: Connection) -> None:
        """It is gone; what it has begun to deliver goes on."""
        self._connections.discard(connection)
        metrics.set_lda_connections("lmtp", len(self._connections))
        self._changed.set()

    def trusts(self, transport: asyncio.BaseTransport) -> bool:
        """Whether the peer may say for whom it speaks."""
        if transport.get_extra_info("socket").family == socket.AF_UNIX:
            return True
        peer = ip_address(transport.get_extra_info("peername")[0].partition("%")[0])
        return any(peer in network for network in self.limits.trusted)

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Do *work*, even if the peer leaves."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Close idle connections, let the others finish their message. Listeners are closed by then."""
        self.draining = True
        for connection in list(self._connections):
            connection.leave_if_idle()
        while self._connections:
            self._changed.clear()
            await self._changed.wait()
        while self._tasks:
            await asyncio.wait(self._tasks)
