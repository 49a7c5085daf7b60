"""redis_batches - one pipeline for all that one server is asked during one turn of the event loop.

What is asked while all lanes are out waits and makes the next batches. Two batches in flight keep the server
busy while we read and write; more of them help where the way to it is long.
"""

from __future__ import annotations

import asyncio
from collections import deque

from tamis.store.address import RedisAddress
from tamis.store.redis_lane import Call, Elsewhere, Lane

LANES = 4  # connections of one process to one server
MAX_BATCH = 32  # calls: reading their replies takes half a millisecond, then the loop looks around


def nowhere(call: Call, exc: BaseException) -> bool:
    """There is no other server."""
    return False


class RedisBatches:
    """The server at *address*, used from the event loop in which this was made."""

    def __init__(self, address: RedisAddress, timeout_s: float, elsewhere: Elsewhere = nowhere) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle = [Lane(address, timeout_s, elsewhere) for _ in range(LANES)]
        self._lanes = tuple(self._idle)
        self._waiting: deque[Call] = deque()
        self._starting = False
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, call: Call) -> None:
        """Have *call* answered. Somebody else looks after its deadline while it waits."""
        self._waiting.append(call)
        self._start()

    async def close(self) -> None:
        """Wait for what is asked, then disconnect."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        for lane in self._lanes:
            await lane.drop()

    def _start(self) -> None:
        """Send out a lane, which takes in the next turn of the loop what waits by then."""
        if self._waiting and self._idle and not self._starting:
            self._starting = True
            task = self._loop.create_task(self._serve(self._idle.pop()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, lane: Lane) -> None:
        self._starting = False
        try:
            while batch := self._take():
                self._start()
                await lane.run(batch)
        finally:
            self._idle.append(lane)

    def _take(self) -> list[Call]:
        """Those who have gone away meanwhile, or waited too long, are not charged."""
        batch: list[Call] = []
        while self._waiting and len(batch) < MAX_BATCH:
            call = self._waiting.popleft()
            if not call.future.done():
                batch.append(call)
        return batch
