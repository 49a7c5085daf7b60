"""pulse - a session of our own with libmilter, which has it look again for sessions that wait for a thread.

Where it keeps a pool of threads, as Debian builds it, libmilter takes a thread that it has woken for idle until that
thread runs. So of two sessions that have something to say at the same time one may be left to a thread that is not
free, and waits until that thread has its answer, however long a scanner takes. What makes libmilter look again is any
other session that says something. Ours sends macros, for which it calls nobody.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct

START_S = 60.0

_OFFER = struct.pack(">IcIII", 13, b"O", 6, 0x1FF, 0x1FFFFF)
_MACROS = struct.pack(">I", 4) + b"DC\0\0"


class Pulse:
    """The session."""

    def __init__(self, session: socket.socket) -> None:
        session.setblocking(False)
        self._session = session

    def beat(self) -> None:
        """Have libmilter look. From any thread."""
        with contextlib.suppress(OSError):  # it has much to look at already, or it has ended
            self._session.send(_MACROS)


class Entrance:
    """Keeps everybody else out while libmilter begins to listen at *descriptor*: it must be us whom it takes first."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._shared = os.dup(descriptor)
        self._private = socket.socket(socket.AF_UNIX)
        self._private.bind("")  # to a name that nobody has
        self._private.listen(2)
        self._private.setblocking(False)
        os.dup2(self._private.fileno(), descriptor)

    def pulse(self) -> Pulse:
        """Our session, once libmilter has taken it. Raises OSError where it does not."""
        session = self._connected()
        session.sendall(_OFFER)
        session.recv(1)
        return Pulse(session)

    def open(self) -> None:
        """Let the others in."""
        os.dup2(self._shared, self._descriptor)
        os.close(self._shared)
        self._connected().close()  # wakes it from its look at the old one, which would last for seconds
        self._private.close()

    def _connected(self) -> socket.socket:
        session = socket.socket(socket.AF_UNIX)
        session.settimeout(START_S)
        session.connect(self._private.getsockname())
        return session
