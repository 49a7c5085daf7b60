"""bridge - one event loop in a thread of its own, for callers that live in other threads.

libmilter calls us from threads of its own making, and hops between them. They hand their question over here and
wait; everything asynchronous happens in the loop's thread. Make a bridge after a fork, never before.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tamis.errors import TempFail

T = TypeVar("T")

QUICK_S = 0.02  # what takes longer waits for somebody else


class Bridge:
    """The loop's thread, while it runs."""

    def __init__(
        self, new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    ) -> None:
        self._loop = new_event_loop()
        self._thread = threading.Thread(target=self._run, name="bridge", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def call(
        self, work: Coroutine[Any, Any, T], deadline_s: float, slow: Callable[[], None] = lambda: None
    ) -> T:
        """What *work* returns, or raises. TempFail 4.3.0 after *deadline_s*: it is cancelled and not waited for.

        slow: called once if *work* takes longer than `QUICK_S`."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            for wait_s, late in ((QUICK_S, slow), (deadline_s - QUICK_S, future.cancel)):
                try:
                    return future.result(wait_s)
                except concurrent.futures.TimeoutError:
                    if future.done():  # the work's own TimeoutError, or it has just ended
                        return future.result()
                    late()
        except concurrent.futures.CancelledError as exc:
            raise TempFail("4.3.0", "Stopping, try again later") from exc
        raise TempFail("4.3.0", "Checks took too long, try again later")

    def close(self) -> None:
        """Cancel what runs and end the thread."""
        self.call(_cancel_all(), 10.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
