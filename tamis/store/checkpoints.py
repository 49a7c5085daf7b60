"""checkpoints - flushes an SQLite database to the disk once a second, in a thread beside the event loop.

This bounds what a power cut may take (`sqlite_file` argues it) and keeps most of the flushing off the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from tamis.store.sqlite_file import checkpoint

CHECKPOINT_S = 1.0


class Checkpoints:
    """Flushes a second after the first commit that is not flushed yet. *on_failure* is called in the loop."""

    def __init__(self, path: Path, on_failure: Callable[[], None]) -> None:
        self._path = path
        self._on_failure = on_failure
        self._timer: asyncio.TimerHandle | None = None
        self._job: asyncio.Future[None] | None = None
        self._again = False

    def due(self, loop: asyncio.AbstractEventLoop) -> None:
        """Something was committed."""
        if self._job is not None:
            self._again = True
        elif self._timer is None:
            self._timer = loop.call_later(CHECKPOINT_S, self._start, loop)

    async def finish(self) -> None:
        """Flush now what is not flushed."""
        while self._job is not None or self._timer is not None:
            if self._timer is not None:
                self._timer.cancel()
                self._start(asyncio.get_running_loop())
            if self._job is not None:
                await asyncio.wait([self._job])

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, self._again = None, False
        self._job = loop.run_in_executor(None, checkpoint, self._path)
        self._job.add_done_callback(lambda job: self._done(job, loop))

    def _done(self, job: asyncio.Future[None], loop: asyncio.AbstractEventLoop) -> None:
        self._job = None
        if job.cancelled() or job.exception() is not None:
            self._on_failure()
        elif self._again:
            self.due(loop)
