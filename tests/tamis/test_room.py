"""The wire of `tamis.room`: what is said comes out as it went in, however it arrives, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.errors import ProtocolError
from tamis.room import (
    MAGIC,
    MAX_LINE_BYTES,
    Answer,
    Lines,
    Question,
    is_question,
    parse_answer,
    parse_question,
)

PRINTABLE = st.text(st.characters(min_codepoint=0x20, exclude_characters="\x7f", codec="utf-8"), min_size=1)


def cut(stream: bytes, size: int) -> list[bytes]:
    lines, found = Lines(), []
    for start in range(0, len(stream), size):
        lines.feed(stream[start : start + size])
        while (line := lines.next()) is not None:
            found.append(line)
    assert not len(lines)
    return found


def test_the_bytes() -> None:
    assert Question("bob@example.org", 4096).encode() == b"tamis-room/1 4096 bob@example.org\n"
    assert Answer("4.2.2", "The mailbox is full").encode() == b"4.2.2 The mailbox is full\n"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_do_not_depend_on_how_the_bytes_arrive(size: int) -> None:
    questions = [Question("u@b", 1), Question("ü v@b"), Question("w@b", 10**17)]
    stream = b"".join(question.encode() for question in questions)
    assert [parse_question(line) for line in cut(stream, size)] == questions


@given(PRINTABLE.filter(lambda text: len(text.encode()) < 900), st.integers(0, 10**18 - 1))
def test_a_question_comes_out_as_it_went_in(address: str, size: int) -> None:
    question = Question(address, size)
    assert [parse_question(line) for line in cut(question.encode(), 5)] == [question]


def test_octets_that_are_no_utf8_survive() -> None:
    address = b"\xe9\xff@b".decode("utf-8", "surrogateescape")
    assert parse_question(Question(address).encode()[:-1]).address == address


@given(st.sampled_from(["2.0.0", "4.2.2", "5.1.1"]), st.text(max_size=600))
def test_an_answer_is_one_line_whatever_its_text(status: str, text: str) -> None:
    raw = Answer(status, text).encode()
    assert raw.count(b"\n") == 1
    assert len(raw) <= MAX_LINE_BYTES
    assert parse_answer(raw[:-1]).status == status


@pytest.mark.parametrize("address", ["", "a\nb", "a\0b", "a\rb", "\x7f", "x" * MAX_LINE_BYTES])
def test_what_would_forge_a_question_is_not_asked(address: str) -> None:
    with pytest.raises(ValueError):
        Question(address).encode()


@pytest.mark.parametrize(
    "line",
    [b"", b"tamis-room/1", b"tamis-room/1 1", b"tamis-room/1 1 ", b"tamis-room/2 1 u@b", b"tamis-room/1 -1 u@b",
     b"tamis-room/1 0x1 u@b", b"tamis-room/1 1234567890123456789 u@b", b"tamis-room/1 1 u\rb", b"tamis-lda/1 0 0"],
)  # fmt: skip
def test_what_is_no_question_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_question(line)


@pytest.mark.parametrize(
    "line", [b"", b"2.0.0", b"2.0.0 ", b"3.0.0 x", b"250 ok", b"4.2.2 x\r", b"4.2.2 \xff", b"4.2.2345 x"]
)
def test_what_is_no_answer_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_answer(line)


@pytest.mark.parametrize(
    ("status", "meaning"),
    [("2.0.0", "room"), ("4.2.2", "full"), ("5.2.2", "full"), ("5.1.1", "unknown"), ("5.1.3", "unknown"),
     ("4.1.1", "unsure"), ("4.3.0", "unsure"), ("4.3.5", "unsure"), ("5.7.1", "unsure"), ("5.2.1", "unsure")],
)  # fmt: skip
def test_the_status_says_all(status: str, meaning: str) -> None:
    assert Answer(status, "x").meaning == meaning


def test_a_line_without_end_is_given_up() -> None:
    lines = Lines()
    lines.feed(b"x" * (MAX_LINE_BYTES - 1))
    assert lines.next() is None
    lines.feed(b"x\n")
    with pytest.raises(ProtocolError):
        lines.next()


def test_a_question_is_told_from_a_hand_off_by_its_first_octets() -> None:
    for end in range(len(MAGIC)):
        assert is_question(MAGIC[:end]) is None
    assert is_question(MAGIC) is True
    assert is_question(MAGIC + b"1 u@b\n") is True
    for other in (b"tamis-lda/1 0 0\n", b"tamis-l", b"G", b"tamis-room/2 "):
        assert is_question(other) is False
