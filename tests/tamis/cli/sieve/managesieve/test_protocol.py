"""Replies of a ManageSieve server do not depend on how their bytes arrive, and have an end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.cli.sieve.managesieve.protocol import (
    MAX_LINE_BYTES,
    MAX_LINES,
    MAX_LINES_BYTES,
    MAX_REPLY_BYTES,
    Replies,
    Reply,
)
from tamis.errors import ProtocolError

WIRE = (
    b'"main"\r\n"say \\"hi\\" \\\\" ACTIVE\r\n{6}\r\nOK "a"\r\n\r\nOk\r\n'
    b"OK (WARNINGS) {11}\r\nline 1: odd\r\n"
    b"{4}\r\na\r\nb\r\nOK\r\n"
    b'NO (QUOTA/MAXSCRIPTS) "No \xc3\xbcbrig"\r\n'
    b'BYE (REFERRAL "sieve://other.example/") "Elsewhere"\r\n'
    b'OK (TAG {3}\r\na"b) "Done"\r\n'
)
REPLIES = [
    Reply("OK", "", "", "", ((b"main",), (b'say "hi" \\', "ACTIVE"), (b'OK "a"',))),
    Reply("OK", "WARNINGS", "", "line 1: odd", ()),
    Reply("OK", "", "", "", ((b"a\r\nb",),)),
    Reply("NO", "QUOTA/MAXSCRIPTS", "", "No übrig", ()),
    Reply("BYE", "REFERRAL", "sieve://other.example/", "Elsewhere", ()),
    Reply("OK", "TAG", 'a"b', "Done", ()),
]


def all_of(pieces: list[bytes]) -> list[Reply]:
    replies, found = Replies(), []
    for piece in pieces:
        replies.feed(piece)
        while (reply := replies.take()) is not None:
            found.append(reply)
    assert not replies.pending
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(WIRE), 2 * len(WIRE)])
def test_replies_do_not_depend_on_how_the_bytes_arrive(size: int) -> None:
    stream = WIRE + WIRE
    assert all_of([stream[i : i + size] for i in range(0, len(stream), size)]) == REPLIES + REPLIES


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 400 Bad Request\r\nServer: x{y\r\n",
        b'"open\r\n',
        b"OK (QUOTA\r\n",
        b'OK "one" "two"\r\n',
        b"OK maybe\r\n",
        b"* BYE \\\r\n",
    ],
)
def test_what_is_no_reply_is_told_at_once(wire: bytes) -> None:
    replies = Replies()
    replies.feed(wire)
    with pytest.raises(ProtocolError):
        replies.take()


@pytest.mark.parametrize(
    "wire",
    [
        b"x" * (MAX_LINE_BYTES + 1),
        b"{%d}\r\n" % (MAX_REPLY_BYTES + 1),
        b"{9999999999}\r\n",
        b'""\r\n' * (MAX_LINES + 1),
        b'"' + b"x" * 8000 + b'"\r\n',
        b"\r\n",
        b"{0}\r\n",
        b"{1000}\r\n" + b"x" * 1000 + b"\r\n",
    ],
    ids=["line", "literal", "number", "lines", "bytes", "nothing", "empty literals", "literals"],
)
def test_no_reply_goes_on_for_ever(wire: bytes) -> None:
    with pytest.raises(ProtocolError):
        endless(Replies(), wire)


def endless(replies: Replies, wire: bytes) -> None:
    for _ in range(MAX_LINES_BYTES):
        replies.feed(wire)
        assert replies.take() is None


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_garbage_raises_nothing_else(pieces: list[bytes]) -> None:
    replies = Replies()
    try:
        for piece in pieces:
            replies.feed(piece)
            replies.take()
    except ProtocolError:
        pass


@given(st.lists(st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"])), max_size=5))
def test_every_name_that_can_be_said_is_heard(names: list[str]) -> None:
    wire = b""
    for number, name in enumerate(names):
        raw = name.encode()
        quoted = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        wire += b"{%d}\r\n%b\r\n" % (len(raw), raw) if number % 2 else b'"%b"\r\n' % quoted
    [reply] = all_of([wire, b"OK\r\n"])
    assert reply.lines == tuple((name.encode(),) for name in names)
