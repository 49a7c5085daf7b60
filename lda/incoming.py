"""incoming - a message on its way in: in memory, and past a size in a file, without holding up the event
loop.

A disk that fails does not end the connection: the rest is swallowed, and the message deferred at its end.
"""

from __future__ import annotations

import asyncio
import os
import stat
from concurrent.futures import Executor

from tamis.errors import ProtocolError, TempFail
from tamis.mail.message import SPOOL_BYTES, Message, Spool

_PIECE_BYTES = 1 << 20


class Incoming:
    """Collects one message."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._spool = Spool()
        self._failure: OSError | None = None

    def write_now(self, piece: bytes) -> bool:
        """Add *piece* if it need not go to disk; False: `write` it."""
        if self._failure is not None:
            return True
        if self._spool.size_bytes + len(piece) > SPOOL_BYTES:
            return False
        self._spool.write(piece)
        return True

    async def write(self, piece: bytes) -> None:
        """Add *piece*; in a thread where it goes to disk."""
        if self.write_now(piece):
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._spool.write, piece)
        except OSError as exc:
            self._failure = exc
            self._spool.close()

    async def copy(self, descriptor: int, start: int, size_bytes: int) -> None:
        """Take the message out of a file, whose owner may do with it what he likes afterwards.

        Raises ProtocolError where it is no file, or too short."""
        await asyncio.get_running_loop().run_in_executor(
            self._threads, self._copy, descriptor, start, size_bytes
        )

    def _copy(self, descriptor: int, start: int, size_bytes: int) -> None:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ProtocolError("what came along is no file")
        end = start + size_bytes
        while start < end:
            piece = os.pread(descriptor, min(_PIECE_BYTES, end - start), start)
            if not piece:
                raise ProtocolError("the file that came along is too short")
            start += len(piece)
            try:
                self._spool.write(piece)
            except OSError as exc:
                self._failure = exc
                self._spool.close()
                return

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
