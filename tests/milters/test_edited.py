"""The message as it leaves: what an MTA makes of our operations, and what smtp(8) makes of long lines."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milters.edited import as_sent, edited
from milters.edits import Append, Change, Delete, Insert, added, operations
from tamis.mail.message import Message
from tamis.verdict import AddHeader, AddRecipient, ChangeHeader, Edit, RemoveHeader, ReplaceBody
from tests.growth import assert_linear

NAMES = st.sampled_from(["A", "b", "Cc"])
VALUES = st.sampled_from(["x", "two words", "one\n\ttwo", "", "trailing \r\n lines", "\u00fcml\u00e4ut"])
EDITS = st.one_of(
    st.builds(AddHeader, NAMES, VALUES, st.booleans()),
    st.builds(RemoveHeader, st.sampled_from(["A", "a", "B", "cc"]), st.integers(1, 4)),
    st.builds(ChangeHeader, st.sampled_from(["A", "B", "CC"]), st.integers(1, 4), VALUES),
    st.builds(ReplaceBody, st.sampled_from([b"new\r\n", b"bare\nlines", b"", b"a\r\nb"])),
    st.just(AddRecipient("c@example.org")),
)
BODY = b"body\r\n"


class Mta:
    """Carries out operations as Postfix does, on lines: it knows nothing of `Message`."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self.fields = fields
        self.body = BODY

    def do(self, operation: object) -> None:
        match operation:
            case Insert(0, name, value):
                self.fields = [(name, " " + value), *self.fields]
            case Append(name, value):
                self.fields = [*self.fields, (name, " " + value)]
            case Delete(name, occurrence) if (found := self.find(name, occurrence)) is not None:
                self.fields = self.fields[:found] + self.fields[found + 1 :]
            case Change(name, occurrence, value):
                found = self.find(name, occurrence)
                where = len(self.fields) if found is None else found
                self.fields = [*self.fields[:where], (name, " " + value), *self.fields[where + 1 :]]
            case ReplaceBody(body):
                text = body.replace(b"\r\n", b"\n").removesuffix(b"\n")
                self.body = b"".join(line + b"\r\n" for line in text.split(b"\n")) if body else b""

    def find(self, name: str, occurrence: int) -> int | None:
        for place, (known, _) in enumerate(self.fields):
            occurrence -= known.lower() == name.lower()
            if not occurrence:
                return place
        return None

    @property
    def raw(self) -> bytes:
        lines = [f"{name}:{value}".replace("\n", "\r\n") + "\r\n" for name, value in self.fields]
        return "".join(lines).encode() + b"\r\n" + self.body


@given(
    st.lists(st.tuples(NAMES, VALUES.filter(lambda v: "\r" not in v)), max_size=8),
    st.lists(EDITS, max_size=8),
)
def test_it_is_what_the_mta_makes_of_the_operations(fields: list[tuple[str, str]], edits: list[Edit]) -> None:
    mta = Mta(fields)
    message = Message(mta.raw)
    for operation in operations(edits):
        mta.do(operation)
    made = edited(message, edits)
    assert made.raw == mta.raw
    assert made.body == mta.body
    assert [(field.name, field.raw) for field in made.headers] == [
        (field.name, field.raw) for field in Message(mta.raw).headers
    ]
    assert made.size_bytes == len(mta.raw)


def test_without_edits_it_is_the_message() -> None:
    message = Message(b"A: 1\r\n\r\nbody\r\n")
    assert edited(message, [AddRecipient("c@example.org")]).raw == message.raw
    assert edited(message, []) is message
    assert as_sent(message, 998) is message


def test_many_edits_of_many_fields_cost_no_more_than_reading_them() -> None:
    """10,000 fields are a stranger's to send, and so are hundreds of forged ones that authenticate removes."""

    def forged(n: int) -> tuple[Message, list[RemoveHeader]]:
        fields = [b"Authentication-Results: mx.test; n=%d\r\n" % k for k in range(n)]
        edits = [RemoveHeader("Authentication-Results", k) for k in range(1, n // 25)]
        message = Message(b"".join(fields) + b"\r\nx\r\n")
        assert len(message.headers) == n
        return message, edits

    def edit(case: tuple[Message, list[RemoveHeader]]) -> int:
        return len(edited(*case).headers)

    assert edit(forged(9_999)) == 9_999 - 398
    assert_linear(edit, forged, 1250)


def broken(line: bytes, limit: int) -> list[bytes]:
    """smtp(8), one byte after the other: a line is full at the limit, and the next begins with a blank."""
    lines, room = [b""], limit
    for at in range(len(line)):
        if not room:
            lines.append(b" ")
            room = limit - 1
        lines[-1] += line[at : at + 1]
        room -= 1
    return lines


@given(
    st.lists(st.integers(0, 40).map(lambda n: b"abcdefghij"[: n % 11] * (1 + n // 11)), max_size=6),
    st.integers(2, 30),
    st.sampled_from(["A: short", "A: " + "long " * 9, "A: folded\r\n\t" + "x" * 35]),
)
def test_long_lines_are_broken_as_smtp_breaks_them(lines: list[bytes], limit: int, field: str) -> None:
    message = Message(field.encode() + b"\r\n\r\n" + b"".join(line + b"\r\n" for line in lines))
    sent = as_sent(message, limit).raw
    wanted = b"\r\n".join(b"\r\n".join(broken(line, limit)) for line in bytes(message.raw).split(b"\r\n"))
    assert sent == wanted
    assert max(map(len, re.split(rb"\r\n", bytes(sent)))) <= max(limit, 1)
    assert as_sent(message, 0) is message


def test_a_line_is_long_only_past_the_limit() -> None:
    message = Message(b"A: 1\r\n\r\n" + b"x" * 998 + b"\r\n")
    assert as_sent(message, 998) is message
    over = as_sent(Message(b"A: 1\r\n\r\n" + b"x" * 999), 998)
    assert over.body == b"x" * 998 + b"\r\n x"


def test_a_field_that_would_be_changed_on_its_way_is_a_defect() -> None:
    assert added(b"X: one\r\n\ttwo") == AddHeader("X", "one\n\ttwo")
    for field in (b"X: one\r\n two", b"X: " + b"x" * 9000, b"X:  two", b"X: \x01"):
        with pytest.raises(ValueError):
            added(field)
