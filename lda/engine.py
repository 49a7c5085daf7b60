"""engine - the resident process: two listeners, one delivery, replaced by a reload while messages are under way."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection
from concurrent.futures import Executor

from lda.deliver import Delivery
from lda.handoff.server import HandoffServer
from lda.lmtp.server import Limits, LmtpServer
from tamis.log import Log


class Engine:
    """What runs while the program does. delivery: replaced by `replace`. trusted, asking: see `HandoffServer`."""

    def __init__(
        self,
        delivery: Delivery,
        limits: Limits,
        threads: Executor,
        log: Log,
        trusted: Collection[int] = (),
        asking: Collection[int] = (),
    ) -> None:
        self.delivery = delivery
        self._closing: set[asyncio.Task[None]] = set()
        self._lmtp = LmtpServer(limits, lambda: self.delivery, threads, log)
        self._handoff = HandoffServer(
            lambda: self.delivery,
            threads,
            log,
            idle_s=limits.idle_s,
            max_message_bytes=limits.max_message_bytes,
            trusted=trusted,
            asking=asking,
        )

    def lmtp(self, connection: socket.socket) -> None:
        """Serve a new LMTP connection, non-blocking."""
        self._lmtp.take(connection)

    def handoff(self, connection: socket.socket) -> None:
        """Serve a new hand-off, non-blocking."""
        self._handoff.take(connection)

    def replace(self, delivery: Delivery) -> None:
        """From now on deliver with *delivery*; the old one finishes what it has begun."""
        old, self.delivery = self.delivery, delivery
        task = asyncio.create_task(old.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def drain(self) -> None:
        """Finish what is in flight. Close the listeners first."""
        await asyncio.gather(self._lmtp.drain(), self._handoff.drain())
        await self.delivery.close()
        await asyncio.gather(*self._closing)
