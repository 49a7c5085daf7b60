"""Times, sizes, rates and modes: what is read, and that what is printed is read again as the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.config.units import (
    MAX_COUNT,
    MAX_DURATION_S,
    MAX_SIZE_BYTES,
    Unfit,
    format_duration,
    format_size,
    parse_duration,
    parse_mode,
    parse_rate,
    parse_size,
    quoted,
)

UNHURRIED = settings(deadline=None)

durations = st.floats(0, MAX_DURATION_S, allow_nan=False).map(lambda s: round(s, 9))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0), ("500ms", 0.5), ("1.5h", 5400), ("5m", 300), ("90s", 90), ("36d", 3110400), ("2w", 1209600),
        ("5 m", 300), ("0.000000001s", 1e-9), ("36525d", MAX_DURATION_S),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("100", 100),
        ("10kB", 10_000),
        ("25MiB", 26_214_400),
        ("1.5KiB", 1536),
        ("1 gib", 1 << 30),
        ("7B", 7),
    ],
)
def test_sizes(text: str, size: int) -> None:
    """In any case of letters: there are no bits here that MB and mb could tell apart."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["100/1h", "100 / 1h", "100/60m"])
def test_rates(text: str) -> None:
    assert parse_rate(text) == (100, 3600)


@pytest.mark.parametrize(("text", "mode"), [("0660", 0o660), ("660", 0o660), ("0000", 0)])
def test_modes(text: str, mode: int) -> None:
    assert parse_mode(text) == mode


@pytest.mark.parametrize("parse", [parse_duration, parse_size, parse_rate, parse_mode])
@UNHURRIED
@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_in_one_printable_sentence(
    parse: Callable[[str], object], text: str
) -> None:
    with suppress(Unfit):
        parse(text)
        return
    with pytest.raises(Unfit) as caught:
        parse(text)
    assert str(caught.value).isprintable()


@UNHURRIED
@given(durations)
def test_a_printed_duration_is_the_same(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@UNHURRIED
@given(st.integers(0, MAX_DURATION_S * 1000))
def test_whole_milliseconds_are_printed_in_whole_units(milliseconds: int) -> None:
    text = format_duration(milliseconds / 1000)
    assert "." not in text
    assert parse_duration(text) == milliseconds / 1000


@UNHURRIED
@given(st.integers(0, MAX_SIZE_BYTES))
def test_a_printed_size_is_the_same(size: int) -> None:
    assert parse_size(format_size(size)) == size


@UNHURRIED
@given(st.integers(1, MAX_COUNT), durations.filter(bool))
def test_a_printed_rate_is_the_same(count: int, period_s: float) -> None:
    assert parse_rate(f"{count}/{format_duration(period_s)}") == (count, period_s)


@UNHURRIED
@given(st.text(max_size=200))
def test_a_quoted_text_moves_no_cursor_and_is_short(text: str) -> None:
    assert quoted(text).isprintable()
    assert len(quoted("x" * 1000)) == 62
