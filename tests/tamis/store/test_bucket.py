"""Names and arithmetic, without a store."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.store import Window
from tamis.store.attempt import MAX_NAME, name_of
from tamis.store.bucket import MAX_EXACT, limits_of

WINDOWS = st.builds(Window, st.integers(1, 2**40), st.floats(0.001, 10 * 365 * 86400.0))


@given(window=WINDOWS)
def test_a_limit_is_exact_in_lua_and_true_to_its_window(window: Window) -> None:
    """Every number fits a double, a full bucket is exactly the count, and the rate is off by at most a
    thousandth where no whole numbers express it."""
    (limit,) = limits_of((window,))
    assert limit.capacity == window.count * limit.unit <= MAX_EXACT
    rate = Fraction(limit.drain, limit.unit)
    wanted = Fraction(window.count, round(window.period_s * 1_000_000))
    assert abs(rate / wanted - 1) <= Fraction(1, 1000)


@pytest.mark.parametrize("window", [Window(100, 3600.0), Window(500, 86400.0), Window(2**30, 3600.0)])
def test_the_limits_that_people_write_are_exact(window: Window) -> None:
    (limit,) = limits_of((window,))
    assert Fraction(limit.drain, limit.unit) == Fraction(window.count, int(window.period_s * 1_000_000))


@given(a=st.text(max_size=300), b=st.text(max_size=300))
def test_names_are_short_harmless_and_their_own(a: str, b: str) -> None:
    for name in (name_of(a), name_of(b)):
        assert 0 < len(name) <= MAX_NAME
        assert name.isascii()
        assert name.isprintable()
        assert not set(name) & set("{}")
    assert (name_of(a) == name_of(b)) == (a == b)


def test_a_plain_address_is_its_own_name() -> None:
    """So that an admin can read the keys."""
    assert name_of("ratelimit:user@example.org") == "ratelimit:user@example.org"
