"""date-time fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.mail.date import parse_date


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("Tue, 20 Jun 2023 10:00:00 +0200", "2023-06-20T10:00:00+02:00"),
        ("20 Jun 2023 10:00 +0200", "2023-06-20T10:00:00+02:00"),
        ("Tue,20 Jun 2023 10:00:00", "2023-06-20T10:00:00+00:00"),
        ("Wed, 20 June 2023 10:00:00 -0000", "2023-06-20T10:00:00+00:00"),
        ("Tue (x), 20 Jun (y (z)) 2023 10:00:00 +0200 (CEST)", "2023-06-20T10:00:00+02:00"),
        ("20 Jun 23 10:00:00 GMT", "2023-06-20T10:00:00+00:00"),
        ("20 Jun 99 10:00:00 EST", "1999-06-20T10:00:00-05:00"),
        ("20 Jun 2023 10:00:00 FOO", "2023-06-20T10:00:00+00:00"),
        ("20 Jun 2023 10 : 00 . 00 +0530 and more", "2023-06-20T10:00:00+05:30"),
        ("30 Jun 2015 23:59:60 +0000", "2015-06-30T23:59:59+00:00"),
        ("31 Dec 9999 23:59:59 -2359", "9999-12-31T23:59:59-23:59"),
    ],
)
def test_what_mailers_write_is_a_moment(text: str, iso: str) -> None:
    moment = parse_date(text)
    assert moment is not None
    assert moment.isoformat() == iso


@pytest.mark.parametrize(
    "text",
    ["", "junk", "2023-06-20 10:00:00", "31 Feb 2023 10:00:00 +0000", "29 Feb 2023 10:00:00 +0000",
     "20 Foo 2023 10:00:00", "20 Jun 2023", "20 Jun 2023 24:00:00 +0000", "20 Jun 2023 10:60:00",
     "20 Jun 2023 10:00:61", "20 Jun 2023 10:00:00 +9999", "20 Jun 1899 10:00:00 +0000",
     "20-Jun-2023 10:00:00", "٢٠ Jun 2023 10:00:00 +0000"],
)  # fmt: skip
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_date(text) is None


@given(st.text("0123456789 :+-()JunGMT,", max_size=60))
def test_any_text_is_a_moment_or_none(text: str) -> None:
    parse_date(text)


@pytest.mark.parametrize("piece", ["(", "1 ", " ", "a", "(\\"])
def test_hostile_fields_take_bounded_time(piece: str) -> None:
    parse_date(piece * 100_000)
