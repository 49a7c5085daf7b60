"""Encoded words, charsets, unfolding."""

from __future__ import annotations

import encodings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.mail.charset import to_text
from tamis.mail.words import decode_words, unfold


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?q?a_b=3D?=", "a b="),
        (b"=?UTF-8?B?w7w=?=", "ü"),
        (b"=?utf-8?b?w7w?=", "ü"),
        (b"=?iso-8859-1?Q?caf=E9?= x", "café x"),
        (b"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        (b"=?utf-8?q?a?= \t =?iso-8859-1?q?=E9?=", "aé"),
        (b"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        (b"x=?utf-8?q?a?=y", "xay"),
        (b"=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),
        (b"=?utf-8*de?q?=C3=BC?=", "ü"),
        (b"=?nosuch?q?a=FC?=", "a\ufffd"),
        (b"=?utf-8?x?a?=", "=?utf-8?x?a?="),
        (b"=?utf-8?q?a", "=?utf-8?q?a"),
        (b"=?utf-8?q?a=zz?=", "a=zz"),
        (b"\xfc\xc3\xbc", "\ufffdü"),
        (b"=?utf-8?q?=00?=", "\0"),
        (b"", ""),
    ],
)
def test_encoded_words_are_decoded_and_broken_ones_stay(raw: bytes, text: str) -> None:
    assert decode_words(raw) == text


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b" a\r\n\tb", b"a b"),
        (b" a\n  b ", b"a  b"),
        (b"\r\n a", b"a"),
        (b"  a  b  ", b"a  b"),
        (b" \r\n ", b""),
    ],
)
def test_a_folded_field_becomes_one_line(raw: bytes, line: bytes) -> None:
    assert unfold(raw) == line


@given(st.binary())
def test_any_octets_have_a_text(raw: bytes) -> None:
    decode_words(unfold(raw)).encode("utf-8")


@given(
    st.lists(
        st.sampled_from([b"=?", b"utf-8", b"?q?", b"?b?", b"?=", b" ", b"=C3", b"w7w=", b"x"]), max_size=40
    )
)
def test_any_pieces_of_encoded_words_have_a_text(pieces: list[bytes]) -> None:
    decode_words(b"".join(pieces)).encode("utf-8")


@pytest.mark.parametrize(
    "piece", [b"=?a?q?", b"=?a?q?=?a?q?b?=", b"=?utf-8?q?a?= ", b"=?", b"=?a?b?" + b"A" * 50]
)
def test_hostile_fields_take_bounded_time(piece: bytes) -> None:
    decode_words(piece * 20_000)


@pytest.mark.parametrize(
    ("charset", "raw", "text"),
    [
        ("utf-8", b"\xc3\xbc", "ü"),
        ("US-ASCII", b"a\xfc", "a\ufffd"),
        ("iso-8859-1", b"\xfc", "ü"),
        ("ISO-8859-15", b"\xa4", "€"),
        ("windows-1252", b"\x80", "€"),
        ("koi8-r", b"\xc1", "\u0430"),
        ("gb2312", b"\xc4\xe3", "你"),
        ("shift_jis", b"\x93\xfa", "日"),
        ("euc-kr", b"\xc7\xd1", "한"),
        (" utf-8 ", b"x", "x"),
        ("", b"x", "x"),
    ],
)
def test_the_charsets_of_mail_are_known(charset: str, raw: bytes, text: str) -> None:
    assert to_text(raw, charset) == text


@pytest.mark.parametrize(
    "charset", ["idna", "punycode", "unicode_escape", "rot13", "zlib", "undefined", "x" * 1000, "../../x"]
)
def test_other_codecs_are_out_of_reach(charset: str) -> None:
    """They may be slow, fail, or fill a cache for ever."""
    before = len(encodings._cache)
    assert to_text(b"abc", charset) == "abc"
    assert len(encodings._cache) == before
