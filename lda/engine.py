"""engine - the resident process: two listeners, one delivery, replaced by a reload while messages are under way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor

from lda.deliver import Delivery
from lda.handoff.server import HandoffServer
from lda.lmtp.server import Limits, LmtpServer
from tamis.log import Log

READ_AHEAD_BYTES = 1 << 18  # a peer is not read from while this much of it waits

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Engine:
    """What runs while the program does. delivery: replaced by `replace`."""

    def __init__(self, delivery: Delivery, limits: Limits, threads: Executor, log: Log) -> None:
        self.delivery = delivery
        self._closing: set[asyncio.Task[None]] = set()
        self._lmtp = LmtpServer(limits, lambda: self.delivery, threads, log)
        self._handoff = HandoffServer(
            lambda: self.delivery,
            threads,
            log,
            idle_s=limits.idle_s,
            max_message_bytes=limits.max_message_bytes,
        )

    def lmtp(self) -> asyncio.BaseProtocol:
        """A protocol for a new LMTP connection."""
        return _stream(self._lmtp.serve)

    def handoff(self) -> asyncio.BaseProtocol:
        """A protocol for a new hand-off."""
        return _stream(self._handoff.serve)

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


def _stream(serve: Serve) -> asyncio.BaseProtocol:
    reader = asyncio.StreamReader(limit=READ_AHEAD_BYTES)
    return asyncio.StreamReaderProtocol(reader, serve)
