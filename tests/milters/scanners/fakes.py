"""fakes - scanners that are real sockets: they read a whole request as their protocol frames it, then do as told.

A deed gets the connection after the request: `says`, `hangs_up`, `is_silent` and `drips` make some.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

Deed = Callable[[socket.socket], None]
Read = Callable[[socket.socket], bytes]

CLEAN = b"stream: OK\0"
OPINION = (
    b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n{"score": %s, "required_score": 15, "action": "%s", '
    b'"symbols": {"SMALL": {"score": 0.1}, "LARGE": {"score": 5.0}}}'
)


def opinion(score: float, action: str = "no action") -> bytes:
    """rspamd's answer."""
    words = (str(score).encode(), action.encode())
    length = len((OPINION % (0, *words)).partition(b"\r\n\r\n")[2])
    return OPINION % (length, *words)


def says(answer: bytes) -> Deed:
    return lambda connection: connection.sendall(answer)


def hangs_up(_connection: socket.socket) -> None:
    """Nothing."""


def is_silent(connection: socket.socket) -> None:
    """Until the client gives up."""
    with contextlib.suppress(OSError):
        connection.recv(1)


def drips(answer: bytes) -> Deed:
    """One octet a packet."""

    def deed(connection: socket.socket) -> None:
        for octet in answer:
            connection.sendall(bytes([octet]))

    return deed


def exactly(connection: socket.socket, count: int) -> bytes:
    pieces, missing = [], count
    while missing:
        piece = connection.recv(min(missing, 1 << 20))
        if not piece:
            raise ConnectionError
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def clamd_request(connection: socket.socket) -> bytes:
    """What was streamed, the chunks joined; a command that is no stream as it is."""
    command = b""
    while not command.endswith(b"\0"):
        command += exactly(connection, 1)
    if command != b"zINSTREAM\0":
        return command
    chunks = []
    while length := struct.unpack(">I", exactly(connection, 4))[0]:
        chunks.append(exactly(connection, length))
    return b"".join(chunks)


def counted_request(connection: socket.socket) -> bytes:
    """Head and body of HTTP and SPAMC."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += exactly(connection, 1)
    lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return head + (exactly(connection, int(lengths[0].partition(b":")[2])) if lengths else b"")


def nothing(_connection: socket.socket) -> bytes:
    """A server that does not read."""
    return b""


class Fake:
    """Listens from the beginning to `close`; *deed* may be changed meanwhile. requests: what came, in order."""

    def __init__(self, read: Read, deed: Deed, path: Path | None = None) -> None:
        self.read = read
        self.deed = deed
        self.requests: list[bytes] = []
        if path is None:
            self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
            self.address = f"inet:127.0.0.1:{self._listener.getsockname()[1]}"
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            path.chmod(0o777)
            self._listener.listen(200)
            self.address = f"unix:{path}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self.requests.append(self.read(connection))
            self.deed(connection)

    def close(self) -> None:
        """Nobody answers at this address any more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
