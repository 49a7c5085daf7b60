"""activation - listening sockets that systemd opened for us: a restart then refuses no connection.

Protocol: sd_listen_fds(3). $LISTEN_PID must be ours; sockets are file descriptors 3 and up; $LISTEN_FDNAMES names
them (FileDescriptorName= in the .socket unit; without it, the unit's name).
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

from tamis.errors import ConfigError, Problem

FIRST_FD = 3  # SD_LISTEN_FDS_START
MAX_FDS = 64


class Activation:
    """The sockets that were handed over and not taken yet, with their names."""

    def __init__(self, sockets: list[tuple[str, socket.socket]]) -> None:
        self._sockets = sockets

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str] = os.environ) -> Activation:
        """What systemd says. The variables are removed: a child must not believe they are for it.

        Raises ConfigError for a descriptor that is no listening stream socket."""
        pid, count, names = (environ.pop(f"LISTEN_{word}", "") for word in ("PID", "FDS", "FDNAMES"))
        if pid != str(os.getpid()) or not count.isascii() or not count.isdigit():
            return cls([])
        words = names.split(":") if names else []
        sockets: list[tuple[str, socket.socket]] = []
        for index in range(min(int(count[:4]), MAX_FDS)):
            name = words[index] if index < len(words) else ""
            sockets.append((name, _adopt(FIRST_FD + index, name)))
        return cls(sockets)

    def take(self, name: str) -> tuple[socket.socket, ...]:
        """The sockets named *name*; without any of that name, those that bear no name of their own."""
        taken = [pair for pair in self._sockets if pair[0] == name]
        if not taken:
            taken = [
                pair for pair in self._sockets if pair[0] in ("", "unknown") or pair[0].endswith(".socket")
            ]
        self._sockets = [pair for pair in self._sockets if pair not in taken]
        return tuple(listener for _, listener in taken)

    def close(self) -> tuple[str, ...]:
        """Close what nobody took; the names of these sockets."""
        names = tuple(name for name, _ in self._sockets)
        for _, listener in self._sockets:
            listener.close()
        self._sockets = []
        return names


def _adopt(fd: int, name: str) -> socket.socket:
    try:
        listener = socket.socket(fileno=fd)
    except OSError as exc:
        raise ConfigError([_problem(fd, name, f"is no socket: {exc.strerror}")]) from exc
    listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if listener.type != socket.SOCK_STREAM or not listening:
        listener.close()
        raise ConfigError([_problem(fd, name, "is no listening stream socket")])
    if listener.family in (socket.AF_INET, socket.AF_INET6):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setblocking(False)
    os.set_inheritable(fd, False)
    return listener


def _problem(fd: int, name: str, sentence: str) -> Problem:
    return Problem("systemd", 0, name or "socket", f"file descriptor {fd} {sentence}")
