"""Masks of return codes, and the breaker of a list."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from tamis.dnsbl.breaker import FAILURES, PAUSE_S, Breaker
from tamis.dnsbl.codes import BadMask, Mask, is_error, parsed


@pytest.mark.parametrize(
    ("mask", "answer", "holds"),
    [
        ("127.0.0.2", "127.0.0.2", True),
        ("127.0.0.2", "127.0.0.3", False),
        ("127.0.0.[2..11;14]", "127.0.0.11", True),
        ("127.0.0.[2..11;14]", "127.0.0.14", True),
        ("127.0.0.[2..11;14]", "127.0.0.12", False),
        ("127.0.[0..255].[1..3]", "127.0.5.2", True),
    ],
)
def test_a_mask_holds_what_it_says(mask: str, answer: str, holds: bool) -> None:
    if mask.endswith("[1..3]"):
        mask = mask.replace("[0..255]", "[1..255]")
    assert Mask.parse(mask).holds(IPv4Address(answer)) is holds


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        ("127.0.0", "four numbers"),
        ("127.0.0.2.3", "four numbers"),
        ("127.0.0.[2..11", "four numbers"),
        ("127.0.0.[11..2]", "no range of octets"),
        ("127.0.0.300", "no range of octets"),
        ("127.0.0.x", "no number"),
        ("192.0.2.1", "must begin with 127"),
        ("127.0.0.[1..5]", "refuse the query"),
        ("127.[0..255].0.2", "something is wrong with the query"),
    ],
)
def test_a_mask_that_would_take_errors_for_hits_is_refused(mask: str, said: str) -> None:
    with pytest.raises(BadMask, match=said):
        Mask.parse(mask)


@pytest.mark.parametrize(
    "answer", ["127.255.255.252", "127.255.255.254", "127.0.0.1", "203.0.113.9", "0.0.0.0"]
)
def test_error_codes(answer: str) -> None:
    assert is_error(IPv4Address(answer))
    assert not is_error(IPv4Address("127.0.0.2"))
    assert parsed([answer, "::1", "x"]) == [IPv4Address(answer)]


def test_a_list_that_keeps_failing_is_left_alone_and_then_tried_by_one() -> None:
    breaker = Breaker()
    for n in range(FAILURES - 1):
        assert not breaker.failed(float(n))
        assert breaker.allows(float(n))
    assert breaker.failed(10.0)
    assert not breaker.allows(10.0 + PAUSE_S - 1)
    assert breaker.allows(10.0 + PAUSE_S + 1)
    assert not breaker.allows(10.0 + PAUSE_S + 2)
    assert not breaker.failed(10.0 + PAUSE_S + 3)  # told already
    breaker.succeeded()
    assert breaker.allows(10.0 + PAUSE_S + 4)


def test_an_error_code_is_enough_at_once() -> None:
    breaker = Breaker()
    assert breaker.failed(1.0, at_once=True)
    assert not breaker.allows(2.0)


def test_a_clock_that_is_set_back_does_not_keep_a_list_out() -> None:
    breaker = Breaker()
    breaker.failed(1_000_000.0, at_once=True)
    assert breaker.allows(1.0)
