from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.mail.headers import MAX_FIELDS, MAX_HEADER_BYTES, split, unfold
from tests.growth import assert_linear

LINES = st.lists(
    st.sampled_from(
        [
            b"Subject: x",
            b"To:a@b",
            b" folded",
            b"\tfolded",
            b"X-Y : z",
            b"",
            b"no field",
            b":",
            b"\xff\0: x",
            b"A:\r",
        ]
    ),
    max_size=12,
)


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
def test_fields_keep_order_case_and_every_byte(eol: bytes) -> None:
    raw = eol.join(
        [b"Received: a", b"\tb", b"SUBJECT: caf\xe9 \0", b"subject:  second", b"", b"Body: no", b""]
    )
    headers, body = split(raw)
    assert [field.name for field in headers] == ["Received", "SUBJECT", "subject"]
    assert b"".join(field.raw for field in headers) + eol == raw[:body]
    assert raw[body:] == b"Body: no" + eol
    assert headers.first("Subject") == b"caf\xe9 \0"
    assert headers.first("received") == b"a\tb"
    assert [field.value for field in headers.all("sUBJECT")] == [b" caf\xe9 \0", b"  second"]
    assert (headers.first("none"), headers.all("none"), len(headers)) == (b"", (), 3)


@given(LINES, st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_nothing_is_lost_between_fields_and_body(lines: list[bytes], eol: bytes, ended: bool) -> None:
    raw = eol.join(lines) + (eol if ended else b"")
    headers, body = split(raw)
    kept = b"".join(field.raw for field in headers)
    assert raw.startswith(kept)
    assert raw[len(kept) : body] in (b"", b"\n", b"\r\n")


@given(st.binary(max_size=300))
def test_any_bytes_have_a_header_section(raw: bytes) -> None:
    headers, body = split(raw)
    assert sum(len(field.raw) for field in headers) <= body <= len(raw)


@pytest.mark.parametrize(
    ("raw", "names", "rest"),
    [
        (b"", [], b""),
        (b"\n", [], b""),
        (b"\r\nbody", [], b"body"),
        (b"A: 1", ["A"], b""),
        (b"A: 1\n B", ["A"], b""),
        (b"A: 1\nbody without a blank line", ["A"], b"body without a blank line"),
        (b" folded into nothing\nA: 1\n", [], b" folded into nothing\nA: 1\n"),
        (b"From a@b Mon Jan 1\nA: 1\n", [], b"From a@b Mon Jan 1\nA: 1\n"),
        (b"A \t: 1\nB: 2\n\n", ["A", "B"], b""),
        (b": 1\nA: 2\n", [], b": 1\nA: 2\n"),
        (b"A: 1\n\r\nbody", ["A"], b"body"),
    ],
)
def test_where_the_section_ends(raw: bytes, names: list[str], rest: bytes) -> None:
    """A line that is neither a field nor its continuation ends it, as in Postfix."""
    headers, body = split(raw)
    assert [field.name for field in headers] == names
    assert raw[body:] == rest


@pytest.mark.parametrize(
    ("value", "unfolded"),
    [
        (b"a\r\n b\n\tc", b"a b\tc"),
        (b"a\r\nb", b"a\r\nb"),
        (b"a\n", b"a\n"),
        (b"", b""),
    ],
)
def test_unfolding_removes_line_ends_before_blanks_and_nothing_else(value: bytes, unfolded: bytes) -> None:
    assert unfold(value) == unfolded


def test_a_flood_of_fields_ends_as_body() -> None:
    """500,000 address headers cost Dovecot 18 minutes (CVE-2024-23184)."""
    raw = b"To: a@b\n" * 500_000 + b"\nbody"
    headers, body = split(raw)
    assert len(headers) == MAX_FIELDS
    assert body == MAX_FIELDS * len(b"To: a@b\n")
    assert len(headers.all("to")) == MAX_FIELDS
    assert_linear(
        lambda raw: split(raw)[0].all("to"), lambda n: b"To: a@b\n" * n + b"\n" + b"body" * (100 * n), 1250
    )


@pytest.mark.parametrize("fold", [b"\n ", b"\r\n\t", b"x"])
def test_one_endless_field_costs_no_more_than_its_length(fold: bytes) -> None:
    def endless(n: int) -> bytes:
        return b"Subject: " + fold * n

    raw = endless(100_000)
    headers, body = split(raw)
    assert (len(headers), body) == (1, len(raw))
    assert len(headers.first("subject")) <= len(raw)
    assert_linear(lambda raw: split(raw)[0].first("subject"), endless, 12_500)


def test_what_lies_past_the_limit_is_body() -> None:
    field = b"X: " + b"y" * 1000 + b"\n"
    raw = field * (MAX_HEADER_BYTES // len(field) + 100)
    headers, body = split(raw)
    assert body <= MAX_HEADER_BYTES + len(field)
    assert body == sum(len(f.raw) for f in headers)
