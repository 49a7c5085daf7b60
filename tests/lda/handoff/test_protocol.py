"""The hand-off's framing: whole or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lda.handoff.protocol import MAX_ENVELOPE_BYTES, MAX_FIRST_LINE_BYTES, Handoff, encode, reply
from tamis.errors import ProtocolError

ENVELOPE = {"user": "u@b.example", "sender": "", "mailbox": "Entwürfe", "queue_id": "4XyZ"}
MESSAGE = b"Subject: x\n\n.\n\0tamis-lda/1 0 0\n"
WIRE = encode(ENVELOPE, MESSAGE)


def read(wire: bytes, size: int) -> tuple[Handoff, bytes]:
    handoff = Handoff()
    message = b"".join(handoff.feed(wire[i : i + size]) for i in range(0, len(wire), size))
    return handoff, message


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(WIRE)])
def test_a_request_does_not_depend_on_how_the_bytes_arrive(size: int) -> None:
    handoff, message = read(WIRE, size)
    assert handoff.complete
    assert (handoff.envelope, message) == (ENVELOPE, MESSAGE)


@pytest.mark.parametrize("cut", range(len(WIRE)))
def test_a_connection_cut_anywhere_never_looks_like_a_whole_message(cut: int) -> None:
    assert not read(WIRE[:cut], 5)[0].complete


@pytest.mark.parametrize("size", [1, 5, len(WIRE) + 1])
def test_a_byte_after_the_message_is_an_error(size: int) -> None:
    with pytest.raises(ProtocolError):
        read(WIRE + b"x", size)


@given(
    st.dictionaries(
        st.sampled_from(sorted(ENVELOPE)), st.text(st.characters(exclude_characters="\0", codec="utf-8"))
    ),
    st.binary(),
    st.integers(1, 100),
)
def test_what_goes_in_comes_out(envelope: dict[str, str], message: bytes, size: int) -> None:
    handoff, got = read(encode(envelope, message), size)
    assert (handoff.complete, handoff.envelope, got) == (True, envelope, message)


@pytest.mark.parametrize(
    "wire",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"tamis-lda/2 0 0\n",
        b"tamis-lda/1 0\n",
        b"tamis-lda/1 -1 0\n",
        b"tamis-lda/1 0x1 0\n",
        b"tamis-lda/1  0\n",
        b"x" * (MAX_FIRST_LINE_BYTES + 1),
        b"tamis-lda/1 %d 0\n" % (MAX_ENVELOPE_BYTES + 1),
        b"tamis-lda/1 6 0\nuser=u",
        b"tamis-lda/1 5 0\nuser\0",
        b"tamis-lda/1 4 0\nx=y\0",
        b"tamis-lda/1 14 0\nuser=a\0user=b\0",
    ],
)
def test_what_is_no_request_is_refused(wire: bytes) -> None:
    with pytest.raises(ProtocolError):
        Handoff().feed(wire)


def test_octets_that_are_no_utf8_survive() -> None:
    name = b"\xe9\xff".decode("utf-8", "surrogateescape")
    assert read(encode({"user": name}, b""), 3)[0].envelope == {"user": name}


def test_a_nul_in_a_value_would_forge_the_next_and_is_refused() -> None:
    with pytest.raises(ValueError):
        encode({"user": "a\0sender=b"}, b"")


def test_an_announced_size_over_the_limit_is_known_before_the_message_comes() -> None:
    handoff = Handoff(10)
    handoff.feed(b"tamis-lda/1 0 11\n")
    assert handoff.too_large


def test_a_reply_is_one_line() -> None:
    assert reply(67, "5.1.1 User\r\nunknown") == b"67 5.1.1 User??unknown\n"
