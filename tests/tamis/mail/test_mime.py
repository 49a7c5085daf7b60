"""The structure of messages, their contents, and words out of HTML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.mail.headers import split
from tamis.mail.html import to_words
from tamis.mail.message import Message
from tamis.mail.mime import MAX_DEPTH, MAX_PARTS, Part, content, content_type, parameters_of, structure, text
from tests.growth import assert_linear


def outline(part: Part, raw: bytes) -> object:
    """A part as its type, or type and parts; a leaf as type and content."""
    if part.parts:
        return (str(part.content_type), [outline(inner, raw) for inner in part.parts])
    return (str(part.content_type), raw[part.start : part.end])


def parsed(raw: bytes) -> object:
    return outline(structure(Message(raw)), raw)


MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"From: x\r\n\r\nbody", ("text/plain", b"body")),
        (b"Content-Type: junk\r\n\r\nbody", ("", b"body")),
        (b"Content-Type: Text/HTML; charset=x\r\n\r\nbody", ("text/html", b"body")),
        (MIXED + b"--b\r\n\r\none\r\n--b\r\nContent-Type: a/b\r\n\r\ntwo\r\n--b--\r\n",
         ("multipart/mixed", [("text/plain", b"one"), ("a/b", b"two")])),
        (MIXED + b"pre\n--b  \n\none\n\n--b--\nepi", ("multipart/mixed", [("text/plain", b"one\n")])),
        (MIXED + b"--b\r\n\r\nnot closed", ("multipart/mixed", [("text/plain", b"not closed")])),
        (MIXED + b"no delimiter", ("multipart/mixed", b"no delimiter")),
        (MIXED + b"--b c\r\n\r\none\r\n--bb\r\n\r\ntwo\r\n--b--c\r\n",
         ("multipart/mixed", [("text/plain", b"one"), ("text/plain", b"two")])),
        (MIXED + b'--b\r\nContent-Type: multipart/a; boundary="bb"\r\n\r\n--bb\r\n\r\none\r\n--bb--\r\n--b--',
         ("multipart/mixed", [("multipart/a", [("text/plain", b"one")])])),
        (b"Content-Type: multipart/mixed\r\n\r\n--b\r\n", ("multipart/mixed", b"--b\r\n")),
        (b"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: s\r\n\r\nx\r\n--b--",
         ("multipart/digest", [("message/rfc822", [("text/plain", b"x")])])),
        (b"Content-Type: message/rfc822\r\n\r\nContent-Type: a/b\r\n\r\nx", ("message/rfc822", [("a/b", b"x")])),
        (b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\neA==", ("message/rfc822", b"eA==")),
    ],
)  # fmt: skip
def test_a_message_is_a_tree_of_parts(raw: bytes, expected: object) -> None:
    assert parsed(raw) == expected


def test_prologue_and_epilogue_are_the_gaps() -> None:
    raw = MIXED + b"pre\r\n--b\r\n\r\none\r\n--b--\r\nepi\r\n"
    part = structure(Message(raw))
    assert [raw[start:end] for start, end in part.gaps] == [b"pre", b"epi\r\n"]


@pytest.mark.parametrize(
    ("encoding", "body", "decoded"),
    [
        (b"", b"a=3D", b"a=3D"),
        (b"8BIT", b"\xfc", b"\xfc"),
        (b"Quoted-Printable (x)", b"caf=E9=\r\n!  \r\n", b"caf\xe9!\r\n"),
        (b"base64", b"aGVs\r\nbG8g*d29y\r\nbGQ=\r\njunk", b"hello world"),
        (b"base64", b"YQ", b"a"),
        (b"base64", b"Y", b""),
        (b"x-unknown", b"abc", None),
    ],
)
def test_transfer_encodings_are_undone(encoding: bytes, body: bytes, decoded: bytes | None) -> None:
    raw = b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body
    assert content(raw, structure(Message(raw))) == decoded


def test_text_is_decoded_from_its_charset() -> None:
    raw = b'Content-Type: text/plain; charset="iso-8859-1"\r\n\r\n\xfc'
    assert text(raw, structure(Message(raw))) == "ü"


def test_parameters_are_by_name_quoted_or_not_and_the_first_counts() -> None:
    value = b'; Name="a \\"b\\"; c" ; x=y;x=z; broken; empty='
    assert parameters_of(value) == {"name": 'a "b"; c', "x": "y", "empty": ""}


def test_a_folded_type_is_read() -> None:
    kind = content_type(split(b'Content-Type: multipart/mixed;\r\n\tboundary="x y"\r\n\r\n')[0])
    assert (str(kind), kind.parameters) == ("multipart/mixed", {"boundary": "x y"})


def test_depth_and_number_of_parts_are_bounded() -> None:
    deep = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(500)
    )
    part, depth = structure(Message(deep)), 0
    while part.parts:
        part, depth = part.parts[0], depth + 1
    assert depth <= MAX_DEPTH
    assert sum(1 for _ in structure(Message(MIXED + b"--b\r\n" * 100_000)).walk()) <= MAX_PARTS + 1


@given(
    st.lists(
        st.sampled_from(
            [b"--b", b"--", b"\r\n", b"\n", b"--b--", b"Content-Type: multipart/x; boundary=b", b"x"]
        )
    )
)
def test_any_pieces_are_some_tree_and_parts_lie_inside_each_other(pieces: list[bytes]) -> None:
    raw = MIXED + b"".join(pieces)

    def check(part: Part, start: int, end: int) -> None:
        assert start <= part.header_start <= part.start <= part.end <= end
        for inner in part.parts:
            check(inner, part.start, part.end)

    check(structure(Message(raw)), 0, len(raw))


@given(st.binary(max_size=200))
def test_any_octets_are_some_tree(raw: bytes) -> None:
    for part in structure(Message(raw)).walk():
        text(raw, part)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("<p>a</p>b", "a b"),
        ("Hel<b>lo</b> <br/>x", "Hel lo x"),
        ("a<!-- <b>hidden</b> -->b", "ab"),
        ("a<script>if (1 < 2) { }</script>b<STYLE>p{}</style >c", "a b c"),
        ("1 < 2 &amp; 3 &gt; 2 &copy; &#228;", "1 < 2 & 3 > 2 © ä"),
        ("<a", ""),
        ("<!-- open", ""),
        ("<script>open", ""),
        ("<?xml version='1.0'?><!DOCTYPE html>x", "x"),
        ("", ""),
    ],
)
def test_html_becomes_its_words(document: str, words: str) -> None:
    assert to_words(document) == words


@pytest.mark.parametrize(
    "piece", ["<", "<a ", "<!--", "<script>", "&", "<p>x", "</", "<script></style>", "&#", " ", "<b> "]
)
def test_hostile_html_takes_linear_time(piece: str) -> None:
    assert_linear(to_words, lambda n: piece * n, 12_500 // len(piece))


def test_many_longer_boundaries_cost_little() -> None:
    fields = b"".join(b"X-%d: boundary=b%d\r\n" % (n, n) for n in range(3000))
    raw = fields + MIXED + b"--b1\r\n" * 200_000
    part = structure(Message(raw))
    assert len(part.parts) < 1000
