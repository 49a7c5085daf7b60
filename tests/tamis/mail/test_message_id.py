"""A Message-ID is found as admins name it, whatever stands in the field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.mail.message import Message
from tamis.mail.message_id import MAX_CHARS, message_id_of, same


def of(value: bytes) -> str:
    return message_id_of(Message(b"Subject: x\r\nMessage-Id:" + value + b"\r\n\r\nbody").headers)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b" <a@b>", "<a@b>"),
        (b"\r\n <a@b>", "<a@b>"),
        (b" (comment) <a@b> (another)", "<a@b>"),
        (b" <a@b> <c@d>", "<a@b>"),
        (b" a@b", "a@b"),
        (b" <a b@c>", "<a b@c>"),
        (b" <\x1b[2J@\xff>", "<?[2J@?>"),
        ("  <ü@b>".encode(), "<ü@b>"),
        (b"", ""),
    ],
)
def test_it_is_what_stands_in_angle_brackets(value: bytes, expected: str) -> None:
    assert of(value) == expected


def test_a_message_without_one_has_none_and_the_topmost_counts() -> None:
    assert message_id_of(Message(b"Subject: x\n\n").headers) == ""
    assert message_id_of(Message(b"Message-ID: <a@b>\nMessage-ID: <c@d>\n\n").headers) == "<a@b>"


@given(st.binary(max_size=2000))
def test_it_is_bounded_and_holds_no_controls(value: bytes) -> None:
    found = of(value)
    assert len(found) <= MAX_CHARS
    assert not any(c < " " or "\x7f" <= c <= "\x9f" for c in found)


@pytest.mark.parametrize("other", ["<a@b>", "a@b", " <a@b> "])
def test_brackets_may_be_left_out(other: str) -> None:
    assert same("<a@b>", other)
    assert not same("<a@b>", f"x{other.strip('<> ')}")
