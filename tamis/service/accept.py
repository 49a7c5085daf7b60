"""accept - one connection at a time from listeners that several processes share.

An event loop's own server takes all that wait at once, and the other processes none. Here whoever has nothing to do
comes first.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterable

from tamis.log import Log

PAUSE_S = 0.5  # when descriptors or memory are short, which passes
_SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


async def connect(
    connection: socket.socket,
    factory: Callable[[], asyncio.BaseProtocol],
    log: Log,
    lost: str = "connection lost",
) -> None:
    """Serve a new connection by a protocol that *factory* makes. lost: what is logged where the peer has left."""
    try:
        await asyncio.get_running_loop().connect_accepted_socket(factory, connection)
    except OSError as exc:
        log.debug(lost, error=str(exc))
        connection.close()


def connecting(factory: Callable[[], asyncio.BaseProtocol], log: Log) -> Callable[[socket.socket], None]:
    """What an `Acceptor` may give connections to: each is served by a protocol that *factory* makes."""
    tasks: set[asyncio.Task[None]] = set()

    def take(connection: socket.socket) -> None:
        task = asyncio.get_running_loop().create_task(connect(connection, factory, log))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return take


class Acceptor:
    """Gives each new connection of *listeners*, non-blocking, to *take*, until it is closed."""

    def __init__(
        self, listeners: Iterable[socket.socket], take: Callable[[socket.socket], None], log: Log
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listeners = set(listeners)
        self._take = take
        self._log = log
        for listener in self._listeners:
            self._listen(listener)

    def _listen(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            self._loop.add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another process was faster, or the peer has thought better of it
        except OSError as exc:
            if exc.errno not in _SHORT:
                raise
            self._log.error("connections have to wait", error=exc.strerror or str(exc))
            self._loop.remove_reader(listener)
            self._loop.call_later(PAUSE_S, self._listen, listener)
            return
        connection.setblocking(False)
        self._take(connection)

    def close(self) -> None:
        """Take no more. The listeners are closed, here; other processes keep theirs."""
        while self._listeners:
            listener = self._listeners.pop()
            self._loop.remove_reader(listener)
            listener.close()
