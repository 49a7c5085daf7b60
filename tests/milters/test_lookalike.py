"""Domains and names that look like protected ones."""

from __future__ import annotations

import pytest

from milters.lookalike import Lookalikes, ProtectedNames
from tamis.auth.psl import suffix_list
from tamis.mail.confusables import mixes_scripts, skeleton, to_unicode
from tests.growth import assert_linear

PROTECTED = ("example.org", "paypal.com", "my-bank.co.uk", "abc.com")


@pytest.fixture(scope="module")
def lookalikes() -> Lookalikes:
    return Lookalikes(PROTECTED, suffix_list())


@pytest.mark.parametrize(
    ("domain", "likeness", "other"),
    [
        ("example.org", "", ""),
        ("mail.example.org", "", ""),
        ("EXAMPLE.ORG.", "", ""),
        ("other.org", "", ""),
        ("examp1e.org", "confused", "example.org"),
        ("exanple.org", "confused", "example.org"),
        ("exampl.org", "confused", "example.org"),
        ("exxample.org", "confused", "example.org"),
        ("exmaple.org", "confused", "example.org"),
        ("xeample.org", "confused", "example.org"),
        ("exampel.org", "confused", "example.org"),
        ("exarnple.org", "confused", "example.org"),
        ("ex-ample.org", "confused", "example.org"),
        ("www.examp1e.org", "confused", "example.org"),
        ("examp1e.net", "confused", "example.org"),
        ("mybank.co.uk", "confused", "my-bank.co.uk"),
        ("my-bank.com", "suffix", "my-bank.co.uk"),
        ("example.net", "suffix", "example.org"),
        ("раураl.com", "confused", "paypal.com"),
        ("xn--ypal-43d9g.com", "confused", "paypal.com"),
        ("pаypal.com", "confused", "paypal.com"),
        ("pɑypaI.com", "confused", "paypal.com"),
        ("ρaypal.com", "confused", "paypal.com"),
        ("paypàl.com", "confused", "paypal.com"),
        ("example.org.evil.test", "inside", "example.org"),
        ("example-org.evil.test", "inside", "example.org"),
        ("example-login.test", "inside", "example.org"),
        ("secure-examp1e.test", "inside", "example.org"),
        ("examplelogin.test", "", ""),
        ("abd.com", "", ""),
        ("abc.net", "suffix", "abc.com"),
        ("abc-x.test", "", ""),
        ("xn--.com", "", ""),
        ("xn--" + "9" * 59 + ".com", "", ""),
        ("com", "", ""),
        ("", "", ""),
        ("..", "", ""),
        ("a" * 300, "", ""),
    ],
)
def test_how_a_domain_looks_like_a_protected_one(
    lookalikes: Lookalikes, domain: str, likeness: str, other: str
) -> None:
    assert lookalikes.likeness(domain) == (likeness, other)


@pytest.mark.parametrize("seen", ["one", "two"])
def test_a_protected_domain_is_never_a_lookalike_of_another(seen: str) -> None:
    both = Lookalikes(("example.org", "examp1e.org"), suffix_list())
    assert both.likeness("example.org" if seen == "one" else "examp1e.org") == ("", "")


@pytest.mark.parametrize("written", ["bücher-laden.de", "xn--bcher-laden-thb.de", "BÜCHER-LADEN.DE."])
def test_protected_domains_may_be_written_as_people_do(written: str) -> None:
    shops = Lookalikes((written,), suffix_list())
    for same in ("xn--bcher-laden-thb.de", "www.bücher-laden.de"):
        assert shops.protects(same)
        assert shops.likeness(same) == ("", "")
    assert shops.likeness("bucher-laden.de")[0] == "confused"


def test_many_protected_domains_cost_no_more_than_one() -> None:
    """With as many questions as domains the time is linear in both."""

    def protected(n: int) -> tuple[Lookalikes, int]:
        return Lookalikes([f"company{k}x{k * 7919}.example" for k in range(n)], suffix_list()), n

    def ask(many: tuple[Lookalikes, int]) -> None:
        one, n = many
        for k in range(n):
            assert one.likeness(f"cornpany{k}x{k * 7919}.test")[0] == "confused"

    assert_linear(ask, protected, 1000)


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        ("Ann Smith", True),
        ("ANN SMITH", True),
        ('"Smith, Ann"', True),
        ("Dr. Ann  Smith (CEO)", True),
        ("AnnSmith", True),
        ("ann.smith", True),
        ("Аnn Smіth", True),
        ("A\u200bnn Sm\u00adith", True),
        ("Ánn Smïth", True),
        ("𝐀𝐧𝐧 𝐒𝐦𝐢𝐭𝐡", True),
        ("Ann Sm1th", True),
        ("Ann", False),
        ("Joann Smithers", False),
        ("Hannah Smith", False),
        ("", False),
    ],
)
def test_a_protected_name_is_known_however_it_is_spelt(shown: str, found: bool) -> None:
    assert ProtectedNames(("Ann Smith", "Bob Miller")).found_in(shown) == ("Ann Smith" if found else "")


def test_what_cannot_be_told_apart_has_one_skeleton() -> None:
    assert skeleton("Rn0del") == skeleton("model")
    assert to_unicode("xn--pypal-4ve.com") == "pаypal.com"
    assert mixes_scripts("pаypal")
    assert not mixes_scripts("пример")
    assert not mixes_scripts("日本ab")
    assert not mixes_scripts("straße-1")
