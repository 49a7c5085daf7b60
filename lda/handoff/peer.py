"""peer - one client of the hand-off socket: who it is, what it sends, and the file that it may send along.

asyncio's transports know nothing of descriptors in messages (SCM_RIGHTS), so the socket is read by ourselves.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct

from tamis.errors import ProtocolError

READ_BYTES = 1 << 18
_CREDENTIALS = struct.Struct("iII")  # pid, uid, gid


class Peer:
    """*connection* is non-blocking, and ours from now on."""

    def __init__(self, connection: socket.socket, idle_s: float) -> None:
        self._connection = connection
        self._idle_s = idle_s
        self._descriptors: list[int] = []

    @property
    def uid(self) -> int:
        """Whose process it is, by the kernel's word; that of the moment it connected."""
        raw = self._connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return int(_CREDENTIALS.unpack(raw)[1])

    async def receive(self) -> bytes:
        """The next bytes, b"" at their end. Raises OSError, TimeoutError."""
        while True:
            try:
                data, descriptors, flags, _ = socket.recv_fds(self._connection, READ_BYTES, 1)
            except BlockingIOError:
                await self._readable()
                continue
            self._descriptors += descriptors
            if len(self._descriptors) > 1 or flags & socket.MSG_CTRUNC:
                raise ProtocolError("more than one file came along")
            return data

    def descriptor(self) -> int:
        """That of the file that came along. Raises ProtocolError."""
        if not self._descriptors:
            raise ProtocolError("no file came along")
        return self._descriptors[0]

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[None] = loop.create_future()

        def ready() -> None:
            if not waiting.done():
                waiting.set_result(None)

        loop.add_reader(self._connection, ready)
        try:
            async with asyncio.timeout(self._idle_s):
                await waiting
        finally:
            loop.remove_reader(self._connection)

    async def send(self, data: bytes) -> None:
        """Raises OSError, TimeoutError."""
        async with asyncio.timeout(self._idle_s):
            await asyncio.get_running_loop().sock_sendall(self._connection, data)

    def close(self) -> None:
        """Hang up, and let go of what came along."""
        self._connection.close()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()
