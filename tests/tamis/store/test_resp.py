"""The Redis protocol, without a Redis."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.errors import ProtocolError
from tamis.store.resp import MAX_REPLY_BYTES, Refusal, Replies, Reply, encode

TABLE: list[tuple[bytes, Reply]] = [
    (b"+OK\r\n", b"OK"),
    (b":0\r\n", 0),
    (b":-17\r\n", -17),
    (b"$-1\r\n", None),
    (b"$0\r\n\r\n", b""),
    (b"$5\r\n0 1 2\r\n", b"0 1 2"),
    (b"$4\r\n\r\n\r\n\r\n", b"\r\n\r\n"),
    (b"-ERR\r\n", Refusal("ERR", "ERR")),
    (b"-NOSCRIPT No matching script.\r\n", Refusal("NOSCRIPT", "NOSCRIPT No matching script.")),
    (b"-\r\n", Refusal("", "")),
]
WIRE = b"".join(wire for wire, _ in TABLE)
REPLIES = [reply for _, reply in TABLE]


@pytest.mark.parametrize(("wire", "reply"), TABLE)
def test_each_kind_of_reply(wire: bytes, reply: Reply) -> None:
    assert Replies().feed(wire) == [reply]


@given(cuts=st.lists(st.integers(0, len(WIRE)), max_size=20))
def test_replies_do_not_depend_on_how_the_bytes_arrive(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(WIRE)]
    replies = Replies()
    got = [reply for a, b in itertools.pairwise(edges) for reply in replies.feed(WIRE[a:b])]
    assert got == REPLIES


def test_a_byte_at_a_time() -> None:
    replies = Replies()
    assert [reply for n in range(len(WIRE)) for reply in replies.feed(WIRE[n : n + 1])] == REPLIES


@pytest.mark.parametrize(
    "wire",
    [
        b"*1\r\n:1\r\n",
        b"_\r\n",
        b"\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"$x\r\n",
        b"$\r\n",
        b"$-2\r\n",
        b"$ 1\r\n",
        b"$%d\r\n" % (MAX_REPLY_BYTES + 1),
        b"$" + b"9" * 5000 + b"\r\n",
        b":1.5\r\n",
        b"+" + b"x" * (MAX_REPLY_BYTES + 100),
    ],
)
def test_what_is_no_reply_is_an_error_of_the_peer(wire: bytes) -> None:
    with pytest.raises(ProtocolError):
        Replies().feed(wire)


@given(data=st.binary(max_size=200))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    """Any bytes are replies, a beginning of one, or ProtocolError."""
    try:
        replies = Replies().feed(data)
    except ProtocolError:
        return
    assert all(isinstance(reply, bytes | int | Refusal | None) for reply in replies)


@given(words=st.lists(st.one_of(st.binary(), st.integers(), st.text("é😀\r\n$*")), min_size=1))
def test_a_command_says_how_long_each_word_is(words: list[bytes | int | str]) -> None:
    """No word can end early or begin another command."""
    wire = encode(*words)
    head, _, rest = wire.partition(b"\r\n")
    assert head == b"*%d" % len(words)
    for word in words:
        raw = word if isinstance(word, bytes) else str(word).encode()
        assert rest.startswith(b"$%d\r\n%b\r\n" % (len(raw), raw))
        rest = rest[len(b"$%d\r\n" % len(raw)) + len(raw) + 2 :]
    assert rest == b""
