"""client - the MTA's side of the milter protocol (version 6), one blocking session over a UNIX socket.

Wire: 4 bytes of length, a command byte, data (libmilter's mfdef.h). Numbers are big-endian, strings end in NUL.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

ALL_ACTIONS = 0x1FF
ALL_STEPS = 0x1FFFFF
HDR_LEADSPC = 0x100000
NO_REPLY = {
    b"C": 0x1000,
    b"H": 0x2000,
    b"M": 0x4000,
    b"R": 0x8000,
    b"T": 0x10000,
    b"L": 0x80,
    b"N": 0x40000,
    b"B": 0x80000,
}
NOT_WANTED = {b"C": 0x1, b"H": 0x2, b"M": 0x4, b"R": 0x8, b"B": 0x10, b"L": 0x20, b"N": 0x40, b"T": 0x200}


@dataclass
class Outcome:
    """What the milter said at the end of a message. envelope: ``+<a@b>``, ``-<a@b>``, ``2<a@b> NOTIFY=NEVER``."""

    verdict: bytes = b""
    reply: str = ""
    inserted: list[tuple[int, str, str]] = field(default_factory=list)
    appended: list[tuple[str, str]] = field(default_factory=list)
    changed: list[tuple[int, str, str]] = field(default_factory=list)
    deleted: list[tuple[int, str]] = field(default_factory=list)
    quarantined: str = ""
    sender: str = ""
    body: bytes = b""
    envelope: list[str] = field(default_factory=list)


class Client:
    """One session. Fails with TimeoutError where the milter is silent."""

    def __init__(self, path: str, timeout_s: float = 60.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        self._stream = self._socket.makefile("rb")
        try:
            self._socket.connect(path)
            self._send(b"O", struct.pack(">III", 6, ALL_ACTIONS, ALL_STEPS))
            command, data = self._receive()
        except BaseException:
            self.close()
            raise
        assert command == b"O"
        _, self.actions, self.steps = struct.unpack(">III", data[:12])
        self.macros_wanted = data[12:]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()
        self._socket.close()

    def _send(self, command: bytes, data: bytes = b"") -> None:
        self._socket.sendall(struct.pack(">I", len(data) + 1) + command + data)

    def _receive(self) -> tuple[bytes, bytes]:
        head = self._stream.read(5)
        if len(head) < 5:
            raise ConnectionResetError("the milter hung up")
        (length,) = struct.unpack(">I", head[:4])
        return head[4:], self._stream.read(length - 1)

    def step(self, command: bytes, data: bytes = b"", macros: Iterable[str] = ()) -> bytes:
        """Send a step as an MTA would: not at all if it is not wanted, without awaiting a reply if there is none."""
        pairs = list(macros)
        if pairs:
            self._send(b"D", command + b"".join(p.encode() + b"\0" for p in pairs))
        if self.steps & NOT_WANTED.get(command, 0):
            return b"c"
        self._send(command, data)
        return b"c" if self.steps & NO_REPLY.get(command, 0) else self._receive()[0]

    def connect(self, name: str = "mx.example.net", address: str = "192.0.2.1", port: int = 25) -> bytes:
        data = name.encode() + b"\0" + b"4" + struct.pack(">H", port) + address.encode() + b"\0"
        return self.step(b"C", data, ("j", "mx.test", "{client_ptr}", name))

    def helo(self, name: str = "mx.example.net") -> bytes:
        return self.step(b"H", name.encode() + b"\0")

    def mail(self, sender: str, login: str = "") -> bytes:
        macros: tuple[str, ...] = ("{mail_addr}", sender)
        if login:
            macros += ("{auth_authen}", login, "{auth_type}", "PLAIN")
        return self.step(b"M", f"<{sender}>".encode() + b"\0", macros)

    def rcpt(self, recipient: str, mailer: str = "virtual") -> bytes:
        macros = ("i", "4TESTqueueid", "{rcpt_mailer}", mailer)
        return self.step(b"R", f"<{recipient}>".encode() + b"\0", macros)

    def message(self, fields: Iterable[tuple[bytes, bytes]], body: bytes = b"hello\r\n") -> Outcome:
        """Header, body and end of a message; *fields* are name and value with its first blank."""
        self.step(b"T")
        for name, value in fields:
            self.step(b"L", name + b"\0" + value + b"\0")
        self.step(b"N")
        for start in range(0, len(body), 65535):
            self.step(b"B", body[start : start + 65535])
        return self.end()

    def end(self) -> Outcome:
        self._send(b"D", b"Ei\x004TESTqueueid\0")
        self._send(b"E")
        return self.outcome()

    def outcome(self) -> Outcome:  # noqa: C901 - a table
        """All replies up to the one that ends the message."""
        outcome = Outcome()
        while True:
            command, data = self._receive()
            if command == b"i":
                name, value = data[4:].split(b"\0")[:2]
                outcome.inserted.append((struct.unpack(">I", data[:4])[0], name.decode(), value.decode()))
            elif command == b"h":
                name, value = data.split(b"\0")[:2]
                outcome.appended.append((name.decode(), value.decode()))
            elif command == b"m":
                (number,) = struct.unpack(">I", data[:4])
                name, value = data[4:].split(b"\0")[:2]
                if value:
                    outcome.changed.append((number, name.decode(), value.decode()))
                else:
                    outcome.deleted.append((number, name.decode()))
            elif command == b"e":
                outcome.sender = data.split(b"\0")[0].decode()
            elif command == b"b":
                outcome.body += data
            elif command in (b"+", b"-", b"2"):
                outcome.envelope.append(command.decode() + " ".join(data.decode().split("\0")).strip())
            elif command == b"q":
                outcome.quarantined = data.rstrip(b"\0").decode()
            elif command == b"y":
                outcome.reply = data.rstrip(b"\0").decode()
                outcome.verdict = b"y"
                return outcome
            elif command != b"p":
                outcome.verdict = command
                return outcome

    def abort(self) -> None:
        self._send(b"A")
