"""protocol - the milter protocol, version 6, as pure data: bytes in, events out; answers in, bytes out.

It keeps no state but what has not become a whole packet yet, and knows neither session nor socket (`native` does).

Wire (libmilter's mfdef.h; Postfix's milter8.c speaks the same): 4 bytes of length, big-endian, then that many: a
command byte and its data. Strings end in NUL. Macros come in a packet of their own before the step that they belong
to. Everything a peer sends is bytes: what is no UTF-8 is kept as lone surrogates.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from milters.edits import Append, Change, Delete, Insert, Operation
from tamis.errors import ProtocolError
from tamis.verdict import AddRecipient, ChangeSender, RemoveRecipient, ReplaceBody

VERSION = 6
MAX_PACKET_BYTES = 1 << 20  # libmilter sends 64 KiB at most, Postfix a header field of 60,000 bytes
MAX_MACROS = 200
CHUNK_BYTES = 65_535  # MILTER_CHUNK_SIZE

# Actions (SMFIF_*) that are asked for.
ADDHDRS, CHGBODY, ADDRCPT, DELRCPT, CHGHDRS = 0x1, 0x2, 0x4, 0x8, 0x10
QUARANTINE, CHGFROM, ADDRCPT_PAR, SETSYMLIST = 0x20, 0x40, 0x80, 0x100
ACTIONS = ADDHDRS | CHGBODY | ADDRCPT | DELRCPT | CHGHDRS | QUARANTINE | CHGFROM | ADDRCPT_PAR

# Steps (SMFIP_*): no such step at all, and steps that await no reply.
NO_UNKNOWN, NO_DATA, NO_END_OF_HEADER = 0x100, 0x200, 0x40
NO_CONTENT = 0x10 | 0x20 | 0x40  # body, header, end of header
HDR_LEADSPC = 0x100000
SILENT = {
    b"C": 0x1000, b"H": 0x2000, b"M": 0x4000, b"R": 0x8000, b"T": 0x10000, b"L": 0x80, b"N": 0x40000, b"B": 0x80000,
}  # fmt: skip

# Where each step's macros stand in a list of them (SMFIM_*).
MACRO_STAGE = {b"C": 0, b"H": 1, b"M": 2, b"R": 3, b"T": 4, b"E": 5, b"N": 6}

# Macros that checks use, by the step that brings them; our list replaces the MTA's. libmilter keeps a step's macros
# until the MTA sends others: with j there are always some, and no login stays from the message before.
MACROS = {
    b"C": "j {daemon_name} {client_ptr}",
    b"H": "",
    b"M": "j i {auth_authen} {auth_type}",
    b"R": "i {rcpt_mailer}",
    b"E": "i",
}

CONTINUE, ACCEPT, DISCARD, REJECT, TEMPFAIL = b"c", b"a", b"d", b"r", b"t"


class Negotiate(NamedTuple):
    """The MTA's offer: bits of `ACTIONS` and of steps."""

    version: int
    actions: int
    steps: int


class Macros(NamedTuple):
    """The macros of the step whose command byte is *step*."""

    step: bytes
    values: Mapping[str, str]


class Connect(NamedTuple):
    """A client: *address* is an IP address, "" for a UNIX socket or none."""

    name: str
    address: str


class Step(NamedTuple):
    """Any other command: its byte, and its strings (MAIL, RCPT, HELO) or its data (header, body, end)."""

    command: bytes
    words: tuple[str, ...] = ()
    data: bytes = b""


Event = Negotiate | Macros | Connect | Step

_LENGTH = struct.Struct(">I")
_COMMANDS = tuple(bytes([number]) for number in range(256))


class MilterProtocol:
    """One direction of one connection: from the MTA to us."""

    def __init__(self) -> None:
        self._buffer: bytes | bytearray = b""
        self._at = 0  # what is before it has become events

    def __len__(self) -> int:
        """Bytes that are no whole packet yet, or were not asked for."""
        return len(self._buffer) - self._at

    def feed(self, data: bytes) -> None:
        """Take in what the peer has sent: as it is, if all before it has become events, which is most often so."""
        if not self._buffer:
            self._buffer = data
            return
        if isinstance(self._buffer, bytes):
            self._buffer = bytearray(self._buffer[self._at :])
        else:
            del self._buffer[: self._at]
        self._buffer += data
        self._at = 0

    def next_event(self) -> Event | None:
        """The next packet, if it is whole. Raises ProtocolError: the connection is of no more use."""
        buffer, at = self._buffer, self._at
        if len(buffer) < at + 5:
            return None
        length = _LENGTH.unpack_from(buffer, at)[0]
        if not 0 < length <= MAX_PACKET_BYTES:
            raise ProtocolError(f"a packet of {length} bytes")
        end = at + 4 + length
        if len(buffer) < end:
            return None
        if end == len(buffer):
            self._buffer, self._at = b"", 0
        else:
            self._at = end
        command = _COMMANDS[buffer[at + 4]]
        parse = _PARSERS.get(command)
        if parse is None:
            raise ProtocolError(f"an unknown command {command!r}")
        return parse(command, bytes(buffer[at + 5 : end]))


def _with_data(command: bytes, data: bytes) -> Step:
    return Step(command, (), data)


def _with_words(command: bytes, data: bytes) -> Step:
    return Step(command, tuple(data.decode("utf-8", "surrogateescape").split("\0")[:-1]))


def _bare(command: bytes, _data: bytes) -> Step:
    return Step(command)


def _negotiate(_command: bytes, data: bytes) -> Negotiate:
    if len(data) < 12:
        raise ProtocolError("a negotiation that is cut short")
    return Negotiate(*struct.unpack_from(">III", data))


def _macros(_command: bytes, data: bytes) -> Macros:
    words = data[1:].decode("utf-8", "surrogateescape").split("\0")[:-1][: 2 * MAX_MACROS]
    return Macros(
        data[:1], {name.strip("{}"): value for name, value in zip(words[::2], words[1::2], strict=False)}
    )


def _connect(_command: bytes, data: bytes) -> Connect:
    name, _, rest = data.partition(b"\0")
    if rest[:1] in {b"4", b"6"}:
        address = _text(rest[3:].partition(b"\0")[0])
        return Connect(_text(name), address.removeprefix("IPv6:"))
    return Connect(_text(name), "")


_PARSERS: dict[bytes, Callable[[bytes, bytes], Event]] = {
    **dict.fromkeys((b"L", b"B", b"E", b"U"), _with_data),
    **dict.fromkeys((b"H", b"M", b"R"), _with_words),
    **dict.fromkeys((b"T", b"N", b"A", b"Q", b"K"), _bare),
    b"D": _macros,
    b"C": _connect,
    b"O": _negotiate,
}


def header_of(data: bytes) -> tuple[str, bytes]:
    """Name and value of a header field; a name that is not ASCII is one that no field can have."""
    name, _, value = data.partition(b"\0")
    return name.decode("latin-1"), value.removesuffix(b"\0")


def negotiated(actions: int, steps: int, macros: Mapping[bytes, str]) -> bytes:
    """Our part of the negotiation. macros: by step, those that we ask for; empty where the MTA lets nobody choose."""
    wanted = b"".join(
        struct.pack(">I", MACRO_STAGE[step]) + _bytes(names) + b"\0" for step, names in macros.items()
    )
    return packet(b"O", struct.pack(">III", VERSION, actions, steps) + wanted)


def packet(command: bytes, data: bytes = b"") -> bytes:
    """One packet to the MTA."""
    return struct.pack(">I", len(data) + 1) + command + data


def reply(code: str, status: str, text: str) -> bytes:
    """A reply of our own. The MTA takes ``%`` for the beginning of something, and ``%%`` for itself."""
    return packet(b"y", _bytes(f"{code} {status} {text}".replace("%", "%%")) + b"\0")


def quarantine(reason: str) -> bytes:
    """Hold the message."""
    return packet(b"q", _bytes(reason) + b"\0")


def operations(wanted: Iterable[Operation]) -> bytes:
    """Edits, in order."""
    return b"".join(map(_operation, wanted))


def _operation(operation: Operation) -> bytes:  # noqa: PLR0911 - a table
    match operation:
        case Delete(name, occurrence):
            return packet(b"m", struct.pack(">I", occurrence) + _strings(name, ""))
        case Change(name, occurrence, value):
            return packet(b"m", struct.pack(">I", occurrence) + _strings(name, f" {value}"))
        case Insert(index, name, value):
            return packet(b"i", struct.pack(">I", index) + _strings(name, f" {value}"))
        case Append(name, value):
            return packet(b"h", _strings(name, f" {value}"))
        case AddRecipient(address, silent):
            if silent:
                return packet(b"2", _strings(f"<{address}>", "NOTIFY=NEVER"))
            return packet(b"+", _strings(f"<{address}>"))
        case RemoveRecipient(address):
            return packet(b"-", _strings(f"<{address}>"))
        case ChangeSender(address):
            return packet(b"e", _strings(f"<{address}>"))
        case ReplaceBody(body):
            chunks = range(0, len(body) or 1, CHUNK_BYTES)
            return b"".join(packet(b"b", body[start : start + CHUNK_BYTES]) for start in chunks)


def _strings(*texts: str) -> bytes:
    return b"".join(_bytes(text) + b"\0" for text in texts)


def _bytes(text: str) -> bytes:
    """Without NUL, which would end it early."""
    return text.encode("utf-8", "surrogateescape").replace(b"\0", b"?")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
