"""A wire between smtpd and the policy daemon: it carries whole requests and replies, counts, and may cut."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.test_policyd_greylist import gate
from tests.integration.test_policyd_postfix import Gate, begin
from tests.policyd.daemon import workplace

SENDER = '[policyd.checks.senders]\ncheck = "ratelimit"\nkey = ["sender"]\nlimits = ["{limits}"]\n'
OBEYED, REFUSED = "configuration reloaded", "reload refused, the old configuration stays"
DUNNO = b"action=DUNNO\n\n"


@dataclass
class Relay:
    """Listens on *path*, asks at *target*; while there is none it has no opinion.

    requests: what was asked. replies: what was answered."""

    path: Path
    target: Path | None = None
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    replies: list[bytes] = field(default_factory=list)
    losing: int = 0  # so many replies are taken from the daemon and never given to smtpd

    def serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                self.connections += 1
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near, socket.socket(socket.AF_UNIX) as far, contextlib.suppress(OSError):
            connected = False
            while request := _whole(near):
                if self.target is None:
                    near.sendall(DUNNO)
                    continue
                if not connected:
                    far.connect(str(self.target))
                    connected = True
                self.requests.append(request)
                far.sendall(request)
                reply = _whole(far)
                self.replies.append(reply)
                if self.losing:
                    self.losing -= 1
                    return
                near.sendall(reply)


def _whole(peer: socket.socket) -> bytes:
    """The next request or reply; empty at the end."""
    heard = b""
    while not heard.endswith(b"\n\n"):
        piece = peer.recv(65536)
        if not piece:
            return b""
        heard += piece
    return heard


@contextlib.contextmanager
def relay(path: Path) -> Iterator[Relay]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o777)
        listener.listen(1024)
        made = Relay(path)
        threading.Thread(target=made.serve, args=(listener,), daemon=True).start()
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def wired(checks: str, **lines: str) -> Iterator[tuple[Gate, Relay]]:
    """An smtpd, a daemon, and the wire between them."""
    with contextlib.ExitStack() as stack:
        line = stack.enter_context(relay(stack.enter_context(workplace()) / "wire"))
        policy = f"check_policy_service {{ unix:{line.path}, timeout=60s }}"
        door = stack.enter_context(gate(checks, policy=policy, **lines))
        line.target = door.daemon.socket
        yield door, line


def send(client: smtplib.SMTP, recipients: int = 6) -> None:
    begin(client, "a@example.net")
    for n in range(recipients):
        assert client.rcpt(f"r{n}@example.com")[0] == 250
    assert client.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250


def codes(client: smtplib.SMTP, *recipients: str, sender: str = "a@example.net") -> list[int]:
    begin(client, sender)
    found = [client.rcpt(recipient)[0] for recipient in recipients]
    client.rset()
    return found
