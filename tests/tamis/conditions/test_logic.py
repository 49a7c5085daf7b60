"""Several texts of one condition, numbers, keys and networks."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from tamis.conditions.keys import networks, whole
from tamis.conditions.logic import any_of, parted
from tamis.conditions.numbers import comparison
from tamis.config.units import Unfit


@pytest.mark.parametrize(
    ("texts", "value", "wanted"),
    [
        (("a",), "a", True),
        (("a", "b"), "b", True),
        (("a",), "b", False),
        (("!a",), "b", True),
        (("!a",), "a", False),
        (("a", "!a"), "a", False),
        (("!a", "!b"), "b", False),
    ],
)
def test_one_must_fit_and_none_of_those_with_a_mark(texts: tuple[str, ...], value: str, wanted: bool) -> None:
    assert parted(texts, lambda text: lambda seen: seen == text)(value) is wanted


def test_of_nothing_there_is_no_test() -> None:
    assert any_of([]) is None


@pytest.mark.parametrize("text", ["x", "", ">", "1..", "9..1", "1e9", "٣", ">=x", "1 MiB"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(Unfit):
        comparison(float, (text,))


@pytest.mark.parametrize(
    ("text", "wanted"), [(">1KiB", True), ("2kB", True), ("<2000", False), ("!>1MB", True)]
)
def test_sizes_may_have_units(text: str, wanted: bool) -> None:
    assert comparison(float, (text,), size=True)(2000) is wanted


def test_networks_of_both_families() -> None:
    within = networks([ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"), ip_network("10.0.0.1")])
    for text, wanted in (("192.0.2.9", True), ("10.0.0.2", False), ("2001:db8::1", True), ("::1", False)):
        assert within(ip_address(text)) is wanted
    assert not within(None)


def test_nothing_has_no_key() -> None:
    assert not list(whole(""))
