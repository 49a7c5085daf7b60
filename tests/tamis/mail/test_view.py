"""A message taken apart once: entities, file names, texts, and where there is more than is looked at."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest

from tamis.mail.html import to_words
from tamis.mail.message import Message
from tamis.mail.mime import MAX_DEPTH, MAX_PARTS
from tamis.mail.view import MAX_TEXT_BYTES, file_names
from tests.growth import assert_cheaper, assert_linear

MIXED = (
    b"Content-Type: multipart/mixed; boundary=a\r\n\r\n"
    b"--a\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
    b"--b\r\n\r\nplain\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>ht<i>ml</i>\r\n--b--\r\n"
    b"--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ninner\r\n"
    b"--a\r\nContent-Transfer-Encoding: base64\r\nContent-Type: text/csv\r\n\r\nYSxi\r\n--a--\r\n"
)


def test_entities_are_in_order_with_their_depth() -> None:
    view = Message(MIXED).view
    assert [(str(one.part.content_type), one.depth, one.is_leaf) for one in view.entities] == [
        ("multipart/mixed", 0, False),
        ("multipart/alternative", 1, False),
        ("text/plain", 2, True),
        ("text/html", 2, True),
        ("message/rfc822", 1, False),
        ("text/plain", 2, True),
        ("text/csv", 1, True),
    ]
    assert view.whole


def test_texts_as_sent_and_as_seen() -> None:
    view = Message(MIXED).view
    assert view.words == ("plain", "ht ml ", "inner", "a,b")
    assert [one.source for one in view.texts if one.is_html] == ["<p>ht<i>ml</i>"]
    assert Message(MIXED).view.content(view.entities[-1].part) == b"a,b"


def test_all_who_look_see_the_same_and_it_goes_with_the_message() -> None:
    message = Message(MIXED)
    assert message.view is message.view
    gc.disable()
    try:
        gone = weakref.ref(message)
        assert message.view.texts
        del message
        assert gone() is None, "without waiting for the collector: a large message is a file"
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        (b"Content-Type: text/plain", ()),
        (b"Content-Type: a/b; name=x.txt", ("x.txt",)),
        (b'Content-Disposition: attachment; filename="a b.exe"', ("a b.exe",)),
        (b"Content-Disposition: attachment; filename==?utf-8?q?a=2Eexe?=", ("a.exe",)),
        (b"Content-Disposition: x; filename*=utf-8''a%2Eexe; filename=b.txt", ("a.exe", "b.txt")),
        (b"Content-Disposition: x; filename*0=a.e; filename*1=xe", ("a.exe",)),
        (b"Content-Disposition: x;\r\n filename=a.exe\r\nContent-Type: a/b; name=b.txt", ("a.exe", "b.txt")),
        (b"Content-Disposition: x; filename=1\r\nContent-Disposition: x; filename=2", ("2", "1")),
        (b'Content-Disposition: x; filename=" "', ()),
    ],
)
def test_a_part_has_every_name_that_a_reader_could_give_it(fields: bytes, names: tuple[str, ...]) -> None:
    assert file_names(Message(fields + b"\r\n\r\n").view.root) == names


def wide(n: int) -> bytes:
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * n


def deep(n: int) -> bytes:
    return b"".join(b"Content-Type: multipart/x; boundary=b%d\r\n\r\n--b%d\r\n" % (k, k) for k in range(n))


def forwarded(n: int) -> bytes:
    return b"Content-Type: message/rfc822\r\n\r\n" * n


def other_boundaries(n: int) -> bytes:
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--bx\r\n\r\nboundary=bxy" * n


@pytest.mark.parametrize(
    ("given", "n"), [(wide, 12_500), (deep, 2000), (forwarded, 375), (other_boundaries, 12_500)]
)
def test_more_than_is_looked_at_is_told_and_costs_no_more_than_its_length(
    given: Callable[[int], bytes], n: int
) -> None:
    view = Message(given(8 * n)).view
    assert len(view.entities) <= MAX_PARTS
    assert max(one.depth for one in view.entities) <= MAX_DEPTH
    assert view.whole is (given is other_boundaries)
    assert_linear(lambda raw: Message(raw).view.words, given, n)


def test_of_long_texts_the_beginning_is_taken() -> None:
    view = Message(b"\r\n" + b"x" * (MAX_TEXT_BYTES + 5000)).view
    assert len(view.words[0]) == MAX_TEXT_BYTES


def test_a_large_attachment_is_passed_over_without_a_look_at_each_line() -> None:
    lines = (b"A" * 76 + b"\r\n") * 200_000
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + lines + b"--b--\r\n"
    assert len(Message(raw).view.entities) == 2
    assert_cheaper(lambda raw: Message(raw).view.entities, bytes.splitlines, raw)


@pytest.mark.parametrize(
    "piece", ["<", "<a", "<!--", "<script>", "</script ", "&#", "a ", "> ", "\0 ", "<a href='"]
)
def test_html_of_any_kind_takes_linear_time(piece: str) -> None:
    assert_linear(to_words, lambda n: piece * n, 12_500 // len(piece))
