"""engine - questions for the delivery engine on its hand-off socket (`tamis.room`).

A connection carries one question at a time and is kept for the next. What does not come as asked for ends it: an
answer that is late must not be taken for that to another question. The engine hangs up when it likes, so a
connection that was kept may be dead, and the question is then asked once more on a new one.
"""

from __future__ import annotations

import asyncio
import socket

from tamis.errors import ProtocolError
from tamis.room import Answer, Lines, Question, parse_answer

MAX_CONNECTIONS = 8
KEEP_S = 60.0  # below the engine's own patience
_READ_BYTES = 4096


class Engine:
    """The engine behind the UNIX socket *path*."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)
        self._kept: list[tuple[float, _Connection]] = []  # the longest unused first
        self._sweep: asyncio.TimerHandle | None = None

    async def ask(self, question: Question) -> Answer:
        """Raises OSError, ProtocolError, and ValueError for a question that cannot be put."""
        raw = question.encode()
        async with self._free:
            while self._kept:
                connection = self._kept.pop()[1]
                if connection.quiet():
                    try:
                        return await self._ask(connection, raw)
                    except OSError:
                        break  # it has hung up in this moment
                connection.close()
            return await self._ask(_Connection(self._path), raw)

    async def _ask(self, connection: _Connection, raw: bytes) -> Answer:
        try:
            answer = await connection.ask(raw)
        except BaseException:
            connection.close()
            raise
        loop = asyncio.get_running_loop()
        self._kept.append((loop.time(), connection))
        if self._sweep is None:
            self._sweep = loop.call_later(KEEP_S, self._close_unused)
        return answer

    def _close_unused(self) -> None:
        """So those of a configuration that was replaced go too."""
        loop = asyncio.get_running_loop()
        self._sweep = None
        while self._kept and self._kept[0][0] + KEEP_S <= loop.time():
            self._kept.pop(0)[1].close()
        if self._kept:
            self._sweep = loop.call_at(self._kept[0][0] + KEEP_S, self._close_unused)

    def close(self) -> None:
        """Hang up."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        while self._kept:
            self._kept.pop()[1].close()


class _Connection:
    """One. Raises OSError where nobody listens."""

    def __init__(self, path: str) -> None:
        self._lines = Lines()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.connect(path)  # to a UNIX socket at once or not at all
        except BaseException:
            self._socket.close()
            raise

    def quiet(self) -> bool:
        """Whether the engine is there and has said nothing unasked."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return not len(self._lines)
        except OSError:
            pass
        return False

    async def ask(self, raw: bytes) -> Answer:
        """Raises OSError, ProtocolError."""
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._socket, raw)
        while (line := self._lines.next()) is None:
            if not (data := await loop.sock_recv(self._socket, _READ_BYTES)):
                raise ConnectionResetError("the engine has hung up")
            self._lines.feed(data)
        if len(self._lines):
            raise ProtocolError("more than an answer")
        return parse_answer(line)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
