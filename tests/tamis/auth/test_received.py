"""Received-SPF: the grammar of RFC 7208 section 9.1, whatever the peer has sent."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.auth.received import received_spf
from tamis.auth.spf import Result, SpfResult

DOT_ATOM = r"[\w!#$%&'*+/=?^`{|}~.-]+"
QUOTED = r'"(?:[^"\\]|\\.)*"'
PAIR = rf"[a-z-]+=(?:{DOT_ATOM}|{QUOTED})"
FIELD = re.compile(rf"[a-z]+ \([^()\\]*\) {PAIR}(?:; {PAIR})*", re.ASCII)


@pytest.mark.parametrize("result", get_args(Result))
def test_each_result_has_its_field(result: Result) -> None:
    fact = SpfResult(result, "mfrom", "example.org")
    value = received_spf(fact, "192.0.2.7", "a@example.org", "mx.example.org", "mx.ours.example")
    assert FIELD.fullmatch(value)
    assert value.startswith(f"{result} (example.org ")
    assert 'envelope-from="a@example.org"; helo=mx.example.org; receiver=mx.ours.example' in value


@given(st.text(max_size=300), st.text(max_size=400), st.text(max_size=300))
def test_hostile_values_stay_in_their_quotes(domain: str, sender: str, helo: str) -> None:
    value = received_spf(SpfResult("none", "helo", domain), "2001:db8::1", sender, helo, "mx")
    assert "\n" not in value
    assert value.isascii()
    assert FIELD.fullmatch(value)
    assert len(value) < 900
