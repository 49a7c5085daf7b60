"""redis_batches - one pipeline for all that is asked during one turn of the event loop.

What is asked while all lanes are out waits and makes the next batches. Two batches in flight keep the server
busy while we read and write; more of them help where the way to it is long. A call is answered within the
timeout, waiting and connecting included, whatever becomes of its batch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from tamis.store.address import RedisAddress
from tamis.store.redis_failures import TOO_LATE, unavailable
from tamis.store.redis_lane import Call, Lane, Script, Word

T = TypeVar("T")

LANES = 4  # connections of one process
MAX_BATCH = 32  # calls: reading their replies takes half a millisecond, then the loop looks around


class RedisBatches:
    """Used from the event loop *loop*, in which it was made."""

    def __init__(self, address: RedisAddress, timeout_s: float) -> None:
        self.loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._idle = [Lane(address, timeout_s) for _ in range(LANES)]
        self._lanes = tuple(self._idle)
        self._waiting: deque[Call] = deque()
        self._starting = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._unanswered: deque[Call] = deque()  # deadlines rise along it
        self._timer: asyncio.TimerHandle | None = None

    def ask(
        self, script: Script, keys: Sequence[str], args: Sequence[Word], read: Callable[[bytes], T]
    ) -> asyncio.Future[T]:
        """What *read* makes of the reply. The future may be cancelled; it fails with TempFail in time."""
        future: asyncio.Future[T] = self.loop.create_future()
        call = Call(script, keys, args, read, future, self.loop.time() + self._timeout_s)
        self._waiting.append(call)
        self._watch(call)
        self._start()
        return future

    async def close(self) -> None:
        """Wait for what is asked, then disconnect."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        for lane in self._lanes:
            await lane.drop()
        if self._timer is not None:
            self._timer.cancel()

    def _start(self) -> None:
        """Send out a lane, which takes in the next turn of the loop what waits by then."""
        if self._waiting and self._idle and not self._starting:
            self._starting = True
            task = self.loop.create_task(self._serve(self._idle.pop()))
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

    def _watch(self, call: Call) -> None:
        while self._unanswered and self._unanswered[0].future.done():
            self._unanswered.popleft()
        self._unanswered.append(call)
        if self._timer is None:
            self._timer = self.loop.call_at(call.deadline, self._overdue)

    def _overdue(self) -> None:
        """One timer for all: it looks who is late and sleeps until the next one may be."""
        self._timer = None
        while self._unanswered:
            call = self._unanswered[0]
            if not call.future.done():
                if call.deadline > self.loop.time():
                    self._timer = self.loop.call_at(call.deadline, self._overdue)
                    return
                call.future.set_exception(unavailable(TOO_LATE))
            self._unanswered.popleft()
