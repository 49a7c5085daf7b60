"""incoming - a message on its way in: in memory, and past a size in a file, without holding up the event
loop.

A disk that fails does not end the connection: the rest is swallowed, and the message deferred at its end.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor

from tamis.errors import TempFail
from tamis.mail.message import SPOOL_BYTES, Message, Spool


class Incoming:
    """Collects one message."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._spool = Spool()
        self._failure: OSError | None = None

    async def write(self, piece: bytes) -> None:
        """Add *piece*; in a thread where it goes to disk."""
        if self._failure is not None:
            return
        if self._spool.size_bytes + len(piece) <= SPOOL_BYTES:
            self._spool.write(piece)
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._spool.write, piece)
        except OSError as exc:
            self._failure = exc
            self._spool.close()

    def finish(self) -> Message:
        """The message. Raises TempFail where the disk has failed."""
        try:
            if self._failure is not None:
                raise self._failure
            return self._spool.finish()
        except OSError as exc:
            raise TempFail("4.3.0", "The message could not be stored on its way in") from exc

    def close(self) -> None:
        """Drop it."""
        self._spool.close()
