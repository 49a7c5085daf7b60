"""Text of one media type as text of another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.mail.convert import Unconvertible, converted, entity, html_to_text, text_to_html
from tamis.mail.message import Message
from tamis.mail.mime import structure, text

LETTERS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=300)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("<p>a</p><p>b</p>", "a\n\nb\n"), ("a<br>b<BR/>c", "a\nb\nc\n"), ("<ul><li>x<li>y</ul>", "x\ny\n"),
        ("<style>p {}</style>a &lt; &eacute;", "a < é\n"), ("<b>a</b> <i>b</i>", "a b\n"), ("", "\n"),
        ("<p>1</p>\n\n\n<div><div><p>2", "1\n\n2\n"), ("a < b", "a < b\n"), ("\x01a<p", "a\n"),
    ],
)  # fmt: skip
def test_each_block_of_html_begins_a_line(document: str, words: str) -> None:
    assert html_to_text(document) == words


@given(LETTERS)
def test_what_was_plain_comes_back_from_html(plain: str) -> None:
    """But for blanks, which HTML has no use for."""
    assert html_to_text(text_to_html(plain)).split() == plain.replace("\x01", " ").split()


@pytest.mark.parametrize("piece", ["<", "<p", "<p>", "<!--", "&", "<script", "</", "<p a='", "\n<br"])
def test_long_documents_take_no_more_than_their_length(piece: str) -> None:
    html_to_text(piece * (400_000 // len(piece)))


@given(LETTERS, st.sampled_from([b"\n", b"\r\n"]), st.sampled_from(["utf-8", "iso-8859-15", "us-ascii"]))
def test_an_entity_says_what_the_text_says(words: str, newline: bytes, charset: str) -> None:
    fields, content = entity("text/plain", words, newline, charset, "?")
    raw = fields + newline + content
    assert all(len(line) < 200 for line in raw.split(b"\n"))
    assert raw.isascii()
    assert not any(line.startswith(b"--") for line in content.split(b"\n"))
    found = text(raw, structure(Message(raw)))
    assert found is not None
    plain = words.replace("\r\n", "\n").replace("\r", "\n")
    expected = plain.encode(charset, "replace").decode(charset)
    assert found.replace("\r\n", "\n") == expected


@pytest.mark.parametrize(
    ("source", "target"),
    [("image/png", "image/png"), ("text/html", "text/csv"), ("text/plain", "image/png"), ("a", "a")],
)
def test_there_are_no_other_conversions(source: str, target: str) -> None:
    with pytest.raises(Unconvertible):
        converted("x", source, target)


@pytest.mark.parametrize(("charset", "unknown"), [("idna", "?"), ("x", "?"), ("us-ascii", "ü"), ("", "?")])
def test_what_cannot_be_written_is_refused(charset: str, unknown: str) -> None:
    with pytest.raises(Unconvertible):
        entity("text/plain", "é", b"\n", charset, unknown)
