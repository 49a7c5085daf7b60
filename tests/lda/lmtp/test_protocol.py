"""LMTP (RFC 2033) without a socket: tables of dialogues, each however the bytes arrive."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lda.lmtp.lines import MAX_COMMAND_BYTES
from lda.lmtp.protocol import (
    MAX_ERRORS,
    MAX_RECIPIENTS,
    Close,
    Complete,
    LmtpProtocol,
    Piece,
    Recipient,
)


@dataclass
class Talk:
    """A host that accepts every recipient but ``nobody`` and stores every message."""

    limit: int = 0
    trusted: bool = False
    replies: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    completes: list[Complete] = field(default_factory=list)
    closed: bool = False

    def __post_init__(self) -> None:
        self.protocol = LmtpProtocol("mx.example", self.limit, trusted=self.trusted)
        self._body = b""

    def hear(self, data: bytes) -> None:
        self.protocol.feed(data)
        while not self.closed and (event := self.protocol.next_event()) is not None:
            match event:
                case Recipient(address):
                    unknown = address.startswith("nobody")
                    self.protocol.answer("550 5.1.1 User unknown" if unknown else "250 2.1.5 Ok")
                case Piece(piece):
                    self._body += piece
                case Complete() as complete:
                    self.messages.append(self._body)
                    self.completes.append(complete)
                    self._body = b""
                    for address in complete.recipients:
                        self.protocol.answer(f"250 2.0.0 Saved for {address}")
                case Close():
                    self.closed = True
        self.replies += self.protocol.outgoing().decode().splitlines()

    def codes(self) -> list[str]:
        return [line[:3] for line in self.replies if line[3:4] != "-"]


def talk(wire: bytes, size: int = 0, limit: int = 0) -> Talk:
    host = Talk(limit)
    size = size or len(wire)
    for start in range(0, len(wire), size):
        host.hear(wire[start : start + size])
    return host


BEGIN = b"LHLO mx\r\nMAIL FROM:<s@a.example>\r\nRCPT TO:<u@b.example>\r\nDATA\r\n"
SIZES = [0, 1, 2, 3, 5, 7]

BODIES = [
    (b".\r\n", b""),
    (b"a\r\n.\r\n", b"a\n"),
    (b"a\r\nb\r\n.\r\n", b"a\nb\n"),
    (b"..\r\n.\r\n", b".\n"),
    (b"..a\r\n...\r\n.\r\n", b".a\n..\n"),
    (b".a\r\n.\r\n", b"a\n"),
    (b"a\n.\r\nb\r\n.\r\n", b"a\n.\nb\n"),
    (b"a\n.\nb\r\n.\r\n", b"a\n.\nb\n"),
    (b"a\r\n.\nb\r\n.\r\n", b"a\n\nb\n"),
    (b"a\r.\rb\r\n.\r\n", b"a\r.\rb\n"),
    (b"a\r\n.\rb\r\n.\r\n", b"a\n\rb\n"),
    (b"a\r\r\n.\r\n", b"a\r\n"),
    (b"a\r\n\r.\r\n.\r\n", b"a\n\r.\n"),
    (b"a\0b\xff\r\n.\r\n", b"a\0b\xff\n"),
    (b"\r\n.\r\n", b"\n"),
    (b"\r\n\r\n.\r\n", b"\n\n"),
    (b"\n.\n\r\n.\r\n", b"\n.\n\n"),
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("wire", "message"), BODIES)
def test_only_crlf_dot_crlf_ends_a_message_and_all_else_is_data(
    wire: bytes, message: bytes, size: int
) -> None:
    host = talk(BEGIN + wire + b"NOOP\r\n", size)
    assert host.messages == [message]
    assert host.codes() == ["220", "250", "250", "250", "354", "250", "250"]


@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_octets_come_out_as_they_went_in(content: bytes, size: int) -> None:
    """Stuffing a message and reading it back is the identity, however it is cut; a CR before LF is CRLF's."""
    lines = content.replace(b"\r\n", b"\n").split(b"\n")
    stuffed = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines)
    host = talk(BEGIN + stuffed + b"\r\n.\r\n", size)
    assert host.messages == [b"\n".join(lines) + b"\n"]


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b".", b"x", b"\r\n", b"\r\n.\r\n"]), max_size=40),
    st.integers(1, 9),
)
def test_where_a_message_ends_does_not_depend_on_how_it_is_cut(parts: list[bytes], size: int) -> None:
    wire = BEGIN + b"".join(parts) + b"\r\n.\r\nQUIT\r\n"
    whole, cut = talk(wire), talk(wire, size)
    assert (whole.messages, whole.replies) == (cut.messages, cut.replies)


DIALOGUES = [
    (b"MAIL FROM:<>\r\n", "503"),
    (b"HELO x\r\n", "500"),
    (b"EHLO x\r\n", "500"),
    (b"LHLO\r\n", "501"),
    (b"LHLO x\r\nRCPT TO:<u@b>\r\n", "250 503"),
    (b"LHLO x\r\nDATA\r\n", "250 503"),
    (b"LHLO x\r\nMAIL FROM:<>\r\nDATA\r\n", "250 250 503"),
    (b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<nobody@b>\r\nDATA\r\n", "250 250 550 503"),
    (b"LHLO x\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\n", "250 250 503"),
    (b"LHLO x\r\nMAIL FROM:<>\r\nRSET\r\nMAIL FROM:<>\r\n", "250 250 250 250"),
    (b"LHLO x\r\nMAIL FROM:<>\r\nLHLO x\r\nMAIL FROM:<>\r\n", "250 250 250 250"),
    (b"LHLO x\r\nmail from:<a@b> size=100 BODY=8BITMIME SMTPUTF8\r\n", "250 250"),
    (b"LHLO x\r\nMAIL FROM: <a@b>\r\n", "250 250"),
    (b"LHLO x\r\nMAIL FROM:<a@b> SIZE=99999999999999999999999\r\n", "250 501"),
    (b"LHLO x\r\nMAIL FROM:<a@b> SIZE=x\r\n", "250 501"),
    (b"LHLO x\r\nMAIL FROM:<a@b> BODY=BINARYMIME\r\n", "250 501"),
    (b"LHLO x\r\nMAIL FROM:<a@b> RET=HDRS ENVID=a+2Bb BY=-5;NT\r\n", "250 250"),
    (b"LHLO x\r\nMAIL FROM:<a@b> RET=SOME\r\n", "250 501"),
    (b"LHLO x\r\nMAIL FROM:<a@b> ENVID=+0A\r\n", "250 501"),
    (b"LHLO x\r\nMAIL FROM:<a@b> BY=0;R\r\n", "250 501"),
    (b"LHLO x\r\nMAIL FROM:<a@b> AUTH=<>\r\n", "250 555"),
    (b"LHLO x\r\nMAIL FROM:a@b\r\n", "250 501"),
    (b"LHLO x\r\nMAIL TO:<a@b>\r\n", "250 501"),
    (b"LHLO x\r\nMAIL FROM:<a@b>x\r\n", "250 501"),
    (b"LHLO x\r\nMAIL FROM:<\xff@b>\r\n", "250 501"),
    (b"LHLO x\r\nMAIL FROM:<a\x01@b>\r\n", "250 501"),
    (b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<>\r\n", "250 250 501"),
    (b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b> NOTIFY=NEVER,DELAY\r\n", "250 250 501"),
    (b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b> ORCPT=a@b\r\n", "250 250 501"),
    (b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b> X=Y\r\n", "250 250 555"),
    (b"VRFY x\r\nNOOP x\r\nRSET\r\n", "252 250 250"),
    (b"RSET x\r\nDATA x\r\n", "501 501"),
    (b"what\r\n", "500"),
    (b"NOOP\n", "500"),
    (b"NO\rOP\r\n", "500"),
    (b"NO\0OP\r\n", "500"),
    (b"x" * (MAX_COMMAND_BYTES + 10) + b"\r\nNOOP\r\n", "500 250"),
    (b"BDAT 3 LAST\r\nabcNOOP\r\n", "503 250"),
    (b"BDAT x\r\nNOOP\r\n", "501"),
    (b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nBDAT 3\r\nabcDATA\r\nRSET\r\n", "250 250 250 250 503 250"),
    (b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nBDAT 3\r\nabcRCPT TO:<c@d>\r\n", "250 250 250 250 503"),
    (b"XCLIENT ADDR=192.0.2.1\r\n", "550"),
    (b"QUIT\r\nNOOP\r\n", "221"),
    (b"\r\n" * MAX_ERRORS + b"NOOP\r\n", "500 " * MAX_ERRORS + "421"),
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("wire", "codes"), DIALOGUES)
def test_each_command_has_its_answer_in_order(wire: bytes, codes: str, size: int) -> None:
    assert talk(wire, size).codes() == ["220", *codes.split()]


def test_lhlo_offers_what_is_there_and_no_more() -> None:
    offered = [line[4:] for line in talk(b"LHLO x\r\n", limit=1000).replies[1:]]
    words = ["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING", "DSN"]
    assert offered == ["mx.example", *words, "SIZE 1000"]


ADDRESSES = [
    (b"<u@b.example>", "u@b.example"),
    (b"<postmaster>", "postmaster"),
    (b'<"q x"@b>', "q x@b"),
    (b'<"a\\"b>c"@b>', 'a"b>c@b'),
    (b"<@x,@y:u@b>", "u@b"),
    ("<gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n@b>".encode(), "grün@b"),
    (b'<""@b>', "@b"),
]


@pytest.mark.parametrize(("path", "address"), ADDRESSES)
def test_addresses_come_out_as_postfix_keeps_them(path: bytes, address: str) -> None:
    host = talk(b"LHLO x\r\nMAIL FROM:" + path + b"\r\nRCPT TO:" + path + b"\r\nDATA\r\n.\r\n")
    assert (host.completes[0].sender, host.completes[0].recipients) == (address, (address,))


@pytest.mark.parametrize("size", SIZES)
def test_one_reply_a_recipient_in_the_order_of_rcpt(size: int) -> None:
    """RFC 2033 section 4.2; a recipient that was refused has had its reply, one named twice has two."""
    wire = (
        b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRCPT TO:<nobody@b>\r\nRCPT TO:<c@b>\r\nRCPT TO:<a@b>\r\n"
        b"DATA\r\nx\r\n.\r\nQUIT\r\n"
    )
    host = talk(wire, size)
    assert host.replies[-4:] == [
        "250 2.0.0 Saved for a@b",
        "250 2.0.0 Saved for c@b",
        "250 2.0.0 Saved for a@b",
        "221 2.0.0 Bye",
    ]


def test_messages_follow_each_other_on_one_connection_and_nothing_is_left_over() -> None:
    second = b"MAIL FROM:<t@a>\r\nRCPT TO:<v@b>\r\nDATA\r\ntwo\r\n.\r\n"
    host = talk(BEGIN + b"one\r\n.\r\n" + second)
    assert host.messages == [b"one\n", b"two\n"]
    assert [(c.sender, c.recipients) for c in host.completes] == [
        ("s@a.example", ("u@b.example",)),
        ("t@a", ("v@b",)),
    ]


@pytest.mark.parametrize("size", SIZES)
def test_a_message_over_the_limit_is_read_to_its_end_and_not_kept(size: int) -> None:
    host = talk(BEGIN + b"x" * 600 + b"\r\n" + b"y" * 600 + b"\r\n.\r\nNOOP\r\n", size, limit=1000)
    assert [complete.too_large for complete in host.completes] == [True]
    assert host.codes()[-1] == "250"
    assert len(host.messages[0]) <= 1000


def test_an_announced_size_over_the_limit_is_refused_at_once() -> None:
    assert talk(b"LHLO x\r\nMAIL FROM:<> SIZE=1001\r\n", limit=1000).codes()[-1] == "552"


def test_recipients_are_bounded() -> None:
    host = talk(b"LHLO x\r\nMAIL FROM:<>\r\n" + b"RCPT TO:<a@b>\r\n" * (MAX_RECIPIENTS + 1))
    assert host.codes()[-1] == "452"


def test_a_line_without_end_is_not_collected() -> None:
    host = Talk()
    for _ in range(100):
        host.hear(b"x" * 1000)
    host.hear(b"\r\nNOOP\r\n")
    assert host.codes() == ["220", "500", "250"]


def test_a_reply_cannot_forge_another() -> None:
    protocol = LmtpProtocol("mx")
    protocol.feed(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\n")
    protocol.next_event()
    with pytest.raises(ValueError):
        protocol.answer("250 2.1.5 Ok\r\n250 2.1.5 Ok")


def test_only_a_connection_without_transaction_is_idle() -> None:
    host = talk(b"LHLO x\r\n")
    assert host.protocol.idle
    host.hear(b"MAIL FROM:<>\r\n")
    assert not host.protocol.idle
    host.hear(b"RCPT TO:<a@b>\r\nDATA\r\nx\r\n.\r\n")
    assert host.protocol.idle
    host.hear(b"MA")
    assert not host.protocol.idle


CHUNKS = [
    ([b"a\r\nb\r\n"], b"a\nb\n"),
    ([b"a\r", b"\nb"], b"a\nb"),
    ([b"a\r", b"b\r"], b"a\rb\r"),
    ([b"a\r", b""], b"a\r"),
    ([b"\r\n.\r\n", b".x\r\n"], b"\n.\n.x\n"),
    ([b"", b""], b""),
    ([b"\0\xff\n\r\n"], b"\0\xff\n\n"),
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("chunks", "message"), CHUNKS)
def test_chunks_are_counted_and_hold_anything(chunks: list[bytes], message: bytes, size: int) -> None:
    """RFC 3030; the last chunk is answered once for each recipient."""
    wire = BEGIN.removesuffix(b"DATA\r\n")
    for number, chunk in enumerate(chunks, 1):
        wire += b"BDAT %d%s\r\n" % (len(chunk), b" last" if number == len(chunks) else b"") + chunk
    host = talk(wire + b"NOOP\r\n", size)
    assert host.messages == [message]
    assert host.codes() == ["220", "250", "250", "250", *["250"] * len(chunks), "250"]


def test_what_an_aborted_transaction_has_sent_is_no_part_of_the_next() -> None:
    host = talk(
        BEGIN.removesuffix(b"DATA\r\n")
        + b"BDAT 3\r\nabcRSET\r\n"
        + BEGIN.partition(b"\r\n")[2]
        + b"x\r\n.\r\n"
    )
    assert host.codes()[-1] == "250"
    assert [complete.recipients for complete in host.completes] == [("u@b.example",)]


def test_a_trusted_peer_says_for_whom_it_speaks() -> None:
    """Postfix's XCLIENT_README: the dialogue begins anew."""
    host = Talk(trusted=True)
    host.hear(
        b"LHLO x\r\nXCLIENT ADDR=IPV6:2001:db8::1 NAME=[UNAVAILABLE] LOGIN=a+40b\r\nMAIL FROM:<>\r\n"
        + BEGIN
        + b".\r\n"
    )
    assert host.codes() == ["220", "250", "220", "503", "250", "250", "250", "354", "250"]
    assert host.completes[0].client == {"ADDR": "2001:db8::1", "LOGIN": "a@b"}


@pytest.mark.parametrize("argument", [b"", b"ADDR", b"ADDR=x", b"ADDR=1.2.3"])
def test_a_bad_xclient_changes_nothing(argument: bytes) -> None:
    host = Talk(trusted=True)
    host.hear(b"LHLO x\r\nXCLIENT " + argument + b"\r\nMAIL FROM:<>\r\n")
    assert host.codes() == ["220", "250", "501", "250"]
