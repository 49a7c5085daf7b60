"""receiver - a mail server that takes mail, or does what it is told in place of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import StreamRequestHandler, ThreadingTCPServer


@dataclass
class Receiver:
    """server: its address. said: envelope commands, lower case. messages: with CRLF, dots undone.

    refuse: a word of a RCPT that is answered with 550. mute: hangs up after the data, whose fate is then unknown.
    rude: answers QUIT with 421. arrived: a message has; answer: then its sender is told."""

    server: str = ""
    refuse: str = ""
    mute: bool = False
    rude: bool = False
    said: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    answer: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.answer.set()

    @property
    def recipients(self) -> list[str]:
        """Those whose mail was taken or hung up on, sorted."""
        return sorted(
            line.removeprefix("rcpt to:").strip("<>") for line in self.said if line.startswith("rcpt")
        )


@contextmanager
def receiving() -> Iterator[Receiver]:
    """One that listens until it is left."""
    found = Receiver()

    class Session(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 mx.test\r\n")
            for raw in self.rfile:
                line = raw.decode().strip().lower()
                found.said.append(line)
                if found.refuse and line.startswith("rcpt") and found.refuse in line:
                    found.said.pop()
                    self.wfile.write(b"550 5.1.1 no such user\r\n")
                elif line == "data":
                    self.wfile.write(b"354 go\r\n")
                    lines = [text.removeprefix(b".") for text in iter(self.rfile.readline, b".\r\n")]
                    found.messages.append(b"".join(lines))
                    found.arrived.set()
                    found.answer.wait()
                    if found.mute:
                        return
                    with suppress(OSError):  # he may be dead
                        self.wfile.write(b"250 ok\r\n")
                elif line == "quit":
                    self.wfile.write(b"421 no\r\n" if found.rude else b"221 bye\r\n")
                    return
                else:
                    self.wfile.write(b"250 ok\r\n")

    with ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.daemon_threads = True
        found.server = f"inet:127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
