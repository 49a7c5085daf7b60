"""smtp - hand one message for one recipient to an MTA over SMTP (RFC 5321), with DSN, DELIVERBY, SMTPUTF8, SIZE.

One connection a message, which blocks, all of it within one time limit. Only the reply 250 to the message makes it the
MTA's; everything else is TempFail, for then it may have it or not. A permanent refusal before that, of the sender or
the recipient, is PermFail: it would be refused again. No TLS and no AUTH: it is meant for an MTA on this host.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from mmap import mmap

from lda.sieve.terms import NOTHING, Terms, seconds_left
from tamis.errors import PermFail, TempFail
from tamis.service.address import UnixAddress, parse_address

MAX_REPLY_BYTES = 64 << 10
MAX_TEXT_CHARS = 200
_PIECE_BYTES = 1 << 20
_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})([ -]?)([^\r\n]*)\r?\n")
_UNPRINTABLE = re.compile(r"[^ -~]+")
_XTEXT = re.compile(rb"[^!-*,-<>-~]")  # RFC 3461 section 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is handed over. sender, recipient: as they stand in brackets. head: goes before *raw*."""

    sender: str
    recipient: str
    head: bytes
    raw: bytes | mmap
    terms: Terms = NOTHING

    def pieces(self) -> Iterator[bytes]:
        """The message, some of it at a time."""
        yield self.head
        for start in range(0, len(self.raw), _PIECE_BYTES):
            yield self.raw[start : start + _PIECE_BYTES]

    @property
    def needs_utf8(self) -> bool:
        """Its addresses cannot be written without SMTPUTF8 (RFC 6531)."""
        return not (self.sender.isascii() and self.recipient.isascii())


@dataclass(frozen=True, slots=True)
class _Reply:
    code: int
    lines: tuple[str, ...]

    @property
    def good(self) -> bool:
        return 200 <= self.code < 300

    def __str__(self) -> str:
        return _UNPRINTABLE.sub("?", f"{self.code} {' '.join(self.lines)}")[:MAX_TEXT_CHARS]


def hand_over(server: str, parcel: Parcel, timeout_s: float) -> None:
    """Hand *parcel* over to *server*, ``inet:127.0.0.1:25`` or ``unix:/path``. Raises PermFail, TempFail."""
    deadline = time.monotonic() + timeout_s
    try:
        with _connected(server, timeout_s) as connection:
            _Session(connection, deadline).run(parcel)
    except (OSError, ValueError) as exc:
        raise TempFail("4.4.1", "The message could not be given to the MTA") from exc


def _connected(server: str, timeout_s: float) -> socket.socket:
    address = parse_address(server)
    if not isinstance(address, UnixAddress):
        return socket.create_connection((address.host, address.port), timeout_s)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(address.path)
    except BaseException:
        connection.close()
        raise
    return connection


class _Session:
    """One connection. deadline: on the monotonic clock; later is TimeoutError."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self._in = bytearray()

    def run(self, parcel: Parcel) -> None:
        """The whole dialogue. Raises PermFail, TempFail, OSError, ValueError."""
        self._good(self._reply(), "the connection")
        offered = self._greeted()
        if parcel.needs_utf8 and "SMTPUTF8" not in offered:
            raise PermFail("5.6.7", "The MTA does not take addresses that are not ASCII")
        self._accepted(f"MAIL FROM:<{parcel.sender}>{_mail_parameters(parcel, offered)}", "the sender")
        self._accepted(f"RCPT TO:<{parcel.recipient}>{_rcpt_parameters(parcel, offered)}", "the recipient")
        reply = self._said("DATA")
        if reply.code != 354:
            raise _refused(reply, "DATA")
        for piece in stuffed(parcel.pieces()):
            self._send(piece)
        reply = self._reply()
        if reply.code != 250:
            raise _refused(reply, "the message")
        try:
            self._send(b"QUIT\r\n")
        except OSError:
            return  # it has the message

    def _greeted(self) -> dict[str, str]:
        """The extensions of the server: names in capitals, with their arguments."""
        reply = self._said(f"EHLO {_own_name()}")
        if reply.good:
            words = (line.upper().partition(" ") for line in reply.lines[1:])
            return {name: rest.strip() for name, _, rest in words}
        if reply.code < 500:
            raise _refused(reply, "EHLO")
        self._good(self._said(f"HELO {_own_name()}"), "HELO")
        return {}

    def _accepted(self, command: str, what: str) -> None:
        reply = self._said(command)
        if 500 <= reply.code < 600:
            raise PermFail("5.0.0", f"The MTA has refused {what}: {reply}")
        self._good(reply, what)

    def _good(self, reply: _Reply, what: str) -> None:
        if not reply.good:
            raise _refused(reply, what)

    def _said(self, command: str) -> _Reply:
        if any(character in "\r\n\0" for character in command):
            raise ValueError("a line end in a command")
        self._send(command.encode("utf-8") + b"\r\n")
        return self._reply()

    def _send(self, data: bytes) -> None:
        self._connection.settimeout(self._left())
        self._connection.sendall(data)

    def _reply(self) -> _Reply:
        lines, size = [], 0
        while True:
            line = self._line()
            size += len(line)
            match = _REPLY_LINE.fullmatch(line)
            if match is None or size > MAX_REPLY_BYTES:
                raise ValueError("the MTA does not speak SMTP")
            lines.append(match[3].decode("utf-8", "replace"))
            if match[2] != b"-":
                return _Reply(int(match[1]), tuple(lines))

    def _line(self) -> bytes:
        while (end := self._in.find(b"\n")) < 0:
            self._connection.settimeout(self._left())
            data = self._connection.recv(4096)
            if not data or len(self._in) > MAX_REPLY_BYTES:
                raise ConnectionError("the MTA has hung up")
            self._in += data
        line = bytes(self._in[: end + 1])
        del self._in[: end + 1]
        return line

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the MTA has taken too long")
        return left


def _refused(reply: _Reply, what: str) -> TempFail:
    failure = TempFail("4.3.0", "The message could not be given to the MTA")
    failure.__cause__ = RuntimeError(f"the MTA has refused {what}: {reply}")
    return failure


def _own_name() -> str:
    return _UNPRINTABLE.sub("", socket.gethostname()).replace(" ", "") or "localhost"


def _mail_parameters(parcel: Parcel, offered: dict[str, str]) -> str:
    terms, found = parcel.terms, []
    if "SIZE" in offered:
        found.append(f"SIZE={sum(len(piece) + piece.count(10) for piece in parcel.pieces())}")
    if "8BITMIME" in offered:
        found.append("BODY=8BITMIME")
    if parcel.needs_utf8:
        found.append("SMTPUTF8")
    if "DSN" in offered and terms.ret:
        found.append(f"RET={terms.ret}")
    if "DSN" in offered and terms.envid:
        found.append(f"ENVID={xtext(terms.envid)}")
    if "DELIVERBY" in offered and terms.deadline is not None:
        left_s = seconds_left(terms, datetime.now(UTC))
        found.append(f"BY={left_s};{terms.by_mode}{'T' if terms.by_trace else ''}")
    return "".join(f" {word}" for word in found)


def _rcpt_parameters(parcel: Parcel, offered: dict[str, str]) -> str:
    notify = parcel.terms.notify
    return f" NOTIFY={','.join(notify)}" if "DSN" in offered and notify else ""


def xtext(text: str) -> str:
    """*text* as RFC 3461 section 4 writes it in parameters."""
    return _XTEXT.sub(lambda octet: b"+%02X" % octet[0][0], text.encode("utf-8")).decode("ascii")


def stuffed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The message as it follows DATA (RFC 5321 section 4.5.2): every line ends in CRLF, the last one too, and a dot at
    its beginning is doubled; then the end."""
    begins, held = True, b""
    for piece in pieces:
        data = held + piece
        held = b"\r" if data.endswith(b"\r") else b""
        lines = data[: len(data) - len(held)].replace(b"\r\n", b"\n")
        if lines:
            dotted = lines.replace(b"\n.", b"\n..")
            yield (b"." if begins and lines.startswith(b".") else b"") + dotted.replace(b"\n", b"\r\n")
            begins = lines.endswith(b"\n")
    if held or not begins:
        yield held + b"\r\n"
    yield b".\r\n"
