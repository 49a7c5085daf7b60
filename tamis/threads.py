"""threads - calls into libraries that block, a bounded number at once, none of them waited for too long.

Each call has a daemon thread of its own, so that a library that hangs holds up neither the others nor the end of the
program; its place is free again when the thread has really ended.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

from tamis.errors import TempFail

T = TypeVar("T")


class Threads:
    """At most *count* calls at once, all from one event loop at a time."""

    def __init__(self, count: int, name: str) -> None:
        self._places = asyncio.Semaphore(count)
        self._name = name

    async def call(self, work: Callable[[], T], timeout_s: float) -> T:
        """What *work* returns or raises; TimeoutError if that takes longer, waiting for a place included; TempFail
        if there can be no thread."""
        async with asyncio.timeout(timeout_s):
            await self._places.acquire()
            call = _Call(work, self._places.release)
            try:
                threading.Thread(target=call.run, daemon=True, name=self._name).start()
            except RuntimeError as exc:  # no memory, or too many processes
                self._places.release()
                raise TempFail("4.3.0", "Too busy") from exc
            return await call.answer


class _Call(Generic[T]):
    """One call: made on the loop, run in its thread."""

    def __init__(self, work: Callable[[], T], done: Callable[[], None]) -> None:
        self._work, self._done = work, done
        self._loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[T] = self._loop.create_future()

    def run(self) -> None:
        try:
            result = self._work()
        except BaseException as exc:  # whatever it is, it is the caller's
            self._tell(partial(self.answer.set_exception, exc))
        else:
            self._tell(partial(self.answer.set_result, result))

    def _tell(self, answer: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(self._end, answer)

    def _end(self, answer: Callable[[], None]) -> None:
        self._done()
        if not self.answer.done():
            answer()
