"""The policy protocol: every input whole, in pieces of any size, and with other bytes behind it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.protocol import MAX_ATTRIBUTES, MAX_REQUEST_BYTES, PolicyProtocol, encode
from tamis.errors import ProtocolError
from tests.policyd.requests import POSTFIX_37, attributes, wire

GOOD = {
    "as Postfix 3.7 sends it": (wire(POSTFIX_37), POSTFIX_37),
    "one attribute": (b"request=x\n\n", {"request": "x"}),
    "value with =": (b"helo_name=client=x.example\n\n", {"helo_name": "client=x.example"}),
    "value of = only": (b"helo_name===\n\n", {"helo_name": "=="}),
    "empty value": (b"sender=\nqueue_id=\n\n", {"sender": "", "queue_id": ""}),
    "8-bit value that is no UTF-8": (
        b"recipient=u\xe9@example.com\n\n",
        {"recipient": "u\udce9@example.com"},
    ),
    "UTF-8 value": ("recipient=ü@example.com\n\n".encode(), {"recipient": "ü@example.com"}),
    "cut UTF-8 before the line ends": (b"sender=\xc3\nsize=1\n\n", {"sender": "\udcc3", "size": "1"}),
    "duplicate": (b"size=1\nsize=2\n\n", {"size": "2"}),
    "unknown name": (b"tls_sni=mx.example.org\n\n", {"tls_sni": "mx.example.org"}),
    "spaces stay": (b"recipient= a b@d \n\n", {"recipient": " a b@d "}),
    "carriage return is a byte like others": (b"sender=a\r\n\n", {"sender": "a\r"}),
    "line separators of Unicode split nothing": (
        "sender=a\u2028b\x0b\x0c\x85c\n\n".encode(),
        {"sender": "a\u2028b\x0b\x0c\x85c"},
    ),
    "2,000-byte HELO": (wire(attributes(helo_name="h" * 2000)), attributes(helo_name="h" * 2000)),
    "largest": (b"a=" + b"x" * (MAX_REQUEST_BYTES - 4) + b"\n\n", {"a": "x" * (MAX_REQUEST_BYTES - 4)}),
    "most attributes": (
        b"".join(b"n%d=\n" % n for n in range(MAX_ATTRIBUTES)) + b"\n",
        {f"n{n}": "" for n in range(MAX_ATTRIBUTES)},
    ),
}

BAD = {
    "empty request": b"\n",
    "two empty lines": b"\n\n",
    "line without =": b"request=smtpd_access_policy\nHELO there\n\n",
    "NUL": b"sender=a\0b\n\n",
    "too many attributes": b"".join(b"n%d=\n" % n for n in range(MAX_ATTRIBUTES + 1)) + b"\n",
    "too large by a byte": b"a=" + b"x" * (MAX_REQUEST_BYTES - 3) + b"\n\n",
    "no end": b"x" * MAX_REQUEST_BYTES,
}


def read(stream: bytes, size: int) -> list[dict[str, str]]:
    """All requests of *stream* when it arrives in pieces of *size* bytes."""
    protocol = PolicyProtocol()
    requests = []
    for at in range(0, len(stream), size):
        protocol.feed(stream[at : at + size])
        while (request := protocol.next_request()) is not None:
            requests.append(request)
    return requests


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1024, 10**6])
@pytest.mark.parametrize(("stream", "expected"), GOOD.values(), ids=GOOD)
def test_a_request_does_not_depend_on_how_its_bytes_arrive(
    stream: bytes, expected: dict[str, str], size: int
) -> None:
    assert read(stream, size) == [expected]


@pytest.mark.parametrize(("stream", "expected"), GOOD.values(), ids=GOOD)
def test_what_follows_a_request_belongs_to_the_next(stream: bytes, expected: dict[str, str]) -> None:
    assert read(stream + stream + b"request=half", 10**6) == [expected, expected]


@pytest.mark.parametrize("size", [1, 3, 1024, 10**6])
@pytest.mark.parametrize("stream", BAD.values(), ids=BAD)
def test_broken_framing_is_noticed_however_it_arrives(stream: bytes, size: int) -> None:
    with pytest.raises(ProtocolError):
        read(stream, size)


def test_good_requests_before_a_broken_one_are_answered() -> None:
    protocol = PolicyProtocol()
    protocol.feed(b"size=1\n\nrubbish\n\n")
    assert protocol.next_request() == {"size": "1"}
    with pytest.raises(ProtocolError):
        protocol.next_request()


def test_len_tells_what_waits() -> None:
    protocol = PolicyProtocol()
    protocol.feed(b"size=1\n\nsi")
    assert len(protocol) == 10
    protocol.next_request()
    assert len(protocol) == 2


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="=\n\0"), min_size=1, max_size=20)
VALUES = (
    st.binary(max_size=80)
    .map(lambda raw: raw.replace(b"\n", b"").replace(b"\0", b""))
    .map(lambda raw: raw.decode("utf-8", "surrogateescape"))
)


@given(st.lists(st.dictionaries(NAMES, VALUES, min_size=1, max_size=8), max_size=5), st.integers(1, 60))
def test_whatever_a_peer_may_say_comes_out_as_it_was_said(requests: list[dict[str, str]], size: int) -> None:
    assert read(b"".join(map(wire, requests)), size) == requests


@given(st.binary(max_size=300), st.integers(1, 40))
def test_rubbish_in_any_cut_gives_the_same_requests_or_a_protocol_error(stream: bytes, size: int) -> None:
    def outcome(cut: int) -> list[dict[str, str]] | None:
        try:
            return read(stream, cut)
        except ProtocolError:
            return None

    assert outcome(size) == outcome(len(stream) or 1)


@pytest.mark.parametrize(
    "action", ["DUNNO", "REJECT 5.7.1 no", "450 4.7.1 later", "PREPEND X-Test: a=b", "HOLD", "2 words"]
)
def test_an_action_is_one_line_and_an_empty_one(action: str) -> None:
    assert encode(action) == f"action={action}\n\n".encode("ascii")


@pytest.mark.parametrize(
    "action",
    [
        "",
        " ",
        "450",
        "450 ",
        "0",
        " DUNNO",
        "DUNNO\n",
        "DUNNO\naction=OK",
        "REJECT a\rb",
        "REJECT a\0b",
        "REJECT é",
        "REJECT \x7f",
    ],
)
def test_what_postfix_would_read_as_something_else_is_never_sent(action: str) -> None:
    """Empty and digits only mean PERMIT; a line end would begin another attribute; NUL cuts the reply."""
    with pytest.raises(ValueError):
        encode(action)


@given(st.text(max_size=40))
def test_a_reply_holds_exactly_one_action(action: str) -> None:
    try:
        reply = encode(action)
    except ValueError:
        return
    assert reply.startswith(b"action=")
    assert reply.endswith(b"\n\n")
    assert reply.count(b"\n") == 2
