"""The milter protocol as bytes: what comes in pieces is what comes at once, and what goes out is what an MTA reads."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milters.edits import Append, Change, Delete, Insert
from milters.transport import protocol
from milters.transport.protocol import Connect, Event, Macros, MilterProtocol, Negotiate, Step
from tamis.errors import ProtocolError
from tamis.verdict import AddRecipient, ChangeSender, RemoveRecipient, ReplaceBody


def packet(command: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data) + 1) + command + data


SESSION: list[tuple[bytes, Event]] = [
    (packet(b"O", struct.pack(">III", 6, 0x1FF, 0x1FFFFF)), Negotiate(6, 0x1FF, 0x1FFFFF)),
    (
        packet(b"D", b"Cj\0mx.test\0{client_ptr}\0a.example\0"),
        Macros(b"C", {"j": "mx.test", "client_ptr": "a.example"}),
    ),
    (packet(b"C", b"a.example\x004\x00\x19192.0.2.1\0"), Connect("a.example", "192.0.2.1")),
    (packet(b"H", b"helo.example\0"), Step(b"H", ("helo.example",))),
    (packet(b"M", b"<a@b>\0SIZE=3\0"), Step(b"M", ("<a@b>", "SIZE=3"))),
    (packet(b"R", b"<c@d>\0"), Step(b"R", ("<c@d>",))),
    (packet(b"T"), Step(b"T")),
    (packet(b"L", b"Subject\0 x\0"), Step(b"L", data=b"Subject\0 x\0")),
    (packet(b"N"), Step(b"N")),
    (packet(b"B", b"body\r\n"), Step(b"B", data=b"body\r\n")),
    (packet(b"E"), Step(b"E")),
    (packet(b"A"), Step(b"A")),
    (packet(b"K"), Step(b"K")),
    (packet(b"Q"), Step(b"Q")),
]


def events(machine: MilterProtocol) -> list[Event]:
    found = []
    while (event := machine.next_event()) is not None:
        found.append(event)
    return found


@given(st.data())
def test_a_session_in_any_pieces_is_the_same_events(data: st.DataObject) -> None:
    wire = b"".join(raw for raw, _ in SESSION)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(wire)), max_size=20)) | {0, len(wire)})
    machine, found = MilterProtocol(), []
    for start, end in pairwise(cuts):
        machine.feed(wire[start:end])
        found += events(machine)
    assert found == [event for _, event in SESSION]
    assert len(machine) == 0


@pytest.mark.parametrize(
    ("raw", "address"),
    [
        (b"h\x006\x00\x19IPv6:2001:db8::1\0", "2001:db8::1"),
        (b"h\x006\x00\x192001:db8::1\0", "2001:db8::1"),
        (b"localhost\0L\0\0/run/x\0", ""),
        (b"h\0U", ""),
        (b"h", ""),
    ],
)
def test_where_a_client_is(raw: bytes, address: str) -> None:
    machine = MilterProtocol()
    machine.feed(packet(b"C", raw))
    (event,) = events(machine)
    assert isinstance(event, Connect)
    assert event.address == address


@pytest.mark.parametrize(
    "wire",
    [
        struct.pack(">I", 0) + b"Q",
        struct.pack(">I", protocol.MAX_PACKET_BYTES + 1) + b"B",
        struct.pack(">I", 0xFFFFFFFF) + b"B",
        packet(b"O", b"\0\0\0\6"),
        packet(b"Z"),
        packet(b"\xff", b"x"),
    ],
)
def test_what_is_no_packet_ends_the_connection(wire: bytes) -> None:
    machine = MilterProtocol()
    machine.feed(wire)
    with pytest.raises(ProtocolError):
        machine.next_event()


@given(st.binary(max_size=200))
def test_any_bytes_are_events_or_an_error_and_no_more_than_came(raw: bytes) -> None:
    machine = MilterProtocol()
    machine.feed(raw)
    try:
        found = events(machine)
    except ProtocolError:
        return
    assert len(found) <= len(raw) // 5


def test_macros_are_bounded_and_one_without_a_value_is_none() -> None:
    machine = MilterProtocol()
    machine.feed(packet(b"D", b"M" + b"".join(b"m%d\0v\0" % n for n in range(5000)) + b"odd\0"))
    (event,) = events(machine)
    assert isinstance(event, Macros)
    assert len(event.values) == protocol.MAX_MACROS
    assert "odd" not in event.values


def test_a_field_has_the_bytes_that_came() -> None:
    assert protocol.header_of(b"Subject\0 \xff\n\tx\0") == ("Subject", b" \xff\n\tx")
    assert protocol.header_of(b"X-\xff\0 x\0")[0] == "X-\xff"


@pytest.mark.parametrize(
    ("operation", "wire"),
    [
        (Delete("Subject", 2), packet(b"m", b"\0\0\0\2Subject\0\0")),
        (Change("Subject", 1, "new"), packet(b"m", b"\0\0\0\1Subject\0 new\0")),
        (Insert(0, "A", "1"), packet(b"i", b"\0\0\0\0A\0 1\0")),
        (Append("A", "nul\0"), packet(b"h", b"A\0 nul?\0")),
        (AddRecipient("a@b"), packet(b"+", b"<a@b>\0")),
        (RemoveRecipient("\udcff@b"), packet(b"-", b"<\xff@b>\0")),
        (ChangeSender(""), packet(b"e", b"<>\0")),
        (ReplaceBody(b""), packet(b"b")),
        (ReplaceBody(b"x" * 65_536), packet(b"b", b"x" * 65_535) + packet(b"b", b"x")),
    ],
)
def test_an_operation_in_bytes(operation: protocol.Operation, wire: bytes) -> None:
    assert protocol.operations([operation]) == wire


def test_a_reply_keeps_its_percent_signs() -> None:
    assert protocol.reply("550", "5.7.1", "100% no") == packet(b"y", b"550 5.7.1 100%% no\0")


def test_our_part_of_the_negotiation_lists_the_macros_of_each_step() -> None:
    assert protocol.negotiated(0x3F, 0x80, {b"M": "i {auth_type}"}) == packet(
        b"O", struct.pack(">III", 6, 0x3F, 0x80) + b"\0\0\0\2i {auth_type}\0"
    )
