"""mta - a mail server for tests: it says what it is told to say, and remembers what it was told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

USUAL = {
    "greeting": "220 mx.test",
    "EHLO": "250-mx.test\r\n250-DSN\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DELIVERBY\r\n250 SIZE 1000000",
    "DATA": "354 go",
}


@dataclass(slots=True)
class Mta:
    """replies: by verb, ``greeting``, or ``message``; None: hang up instead; "": say nothing, wait."""

    server: str
    replies: Mapping[str, str | None] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)

    def serve(self, connection: socket.socket) -> None:
        """One connection to its end."""
        with connection, connection.makefile("rb") as lines:
            going = self._answer(connection, "greeting")
            while going and (line := lines.readline()):
                self.said.append(line.decode().rstrip("\r\n"))
                verb = self.said[-1].partition(" ")[0].upper()
                going = self._answer(connection, verb) and verb != "QUIT"
                if going and verb == "DATA" and self._of("DATA").startswith("354"):
                    raw = b"".join(iter(lines.readline, b".\r\n"))
                    going = self._answer(connection, "message")
                    self.messages.append(raw)
            if not going and "" in self.replies.values():
                lines.read()

    def _of(self, verb: str) -> str:
        return self.replies.get(verb, USUAL.get(verb, "250 ok")) or ""

    def _answer(self, connection: socket.socket, verb: str) -> bool:
        reply = self._of(verb)
        if reply:
            connection.sendall(reply.encode() + b"\r\n")
        return bool(reply)


@contextmanager
def mta(path: Path | None = None, **replies: str | None) -> Iterator[Mta]:
    """It listens on a UNIX socket at *path*, or on a port."""
    with socket.socket(socket.AF_UNIX if path else socket.AF_INET) as listener:
        listener.bind(str(path) if path else ("127.0.0.1", 0))
        listener.listen()
        server = f"unix:{path}" if path else f"inet:127.0.0.1:{listener.getsockname()[1]}"
        found = Mta(server, replies)
        thread = threading.Thread(target=_accept, args=(listener, found), daemon=True)
        thread.start()
        try:
            yield found
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(30)


def _accept(listener: socket.socket, found: Mta) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with suppress(OSError):
                found.serve(connection)
