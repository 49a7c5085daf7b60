"""Where reports may go: nobody is sent what he has not asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tamis.auth.dmarc_discovery import Discovery
from tamis.auth.reports.collected import Heading
from tamis.auth.reports.destinations import Destination, Destinations, destinations, mailto
from tamis.dns import ZoneResolver
from tests.tamis.auth.reports.sample import PUBLISHED

ZONE: dict[str, list[Any]] = {
    "_dmarc.example.org": [{"TXT": "v=DMARC1; p=reject"}],
    "example.org._report._dmarc.yes.example": [{"TXT": "v=DMARC1;"}],
    "example.org._report._dmarc.two.example": [{"TXT": "v=spf1 -all"}, {"TXT": "v=DMARC1"}],
    "example.org._report._dmarc.other.example": [{"TXT": "v=DMARC1; rua=mailto:dmarc@other.example!1m"}],
    "example.org._report._dmarc.away.example": [{"TXT": "v=DMARC1; rua=mailto:a@victim.example"}],
    "example.org._report._dmarc.both.example": [
        {"TXT": "v=DMARC1; rua=mailto:a@both.example,mailto:a@victim.example"}
    ],
    "example.org._report._dmarc.wrong.example": [{"TXT": "v=DMARC2"}],
    "example.org._report._dmarc.slow.example": ["TIMEOUT"],
}


def find(*rua: str) -> Destinations:
    resolver = ZoneResolver(ZONE)
    heading = Heading(PUBLISHED, "example.org", rua)
    return asyncio.run(destinations(heading, Discovery(resolver), resolver))


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("mailto:a@example.org", Destination("a@example.org")),
        ("MAILTO:A+b@Example.ORG", Destination("A+b@example.org")),
        ("mailto:a@example.org!10m", Destination("a@example.org", 10 << 20)),
        ("mailto:a@example.org!5000", Destination("a@example.org", 5000)),
        ("mailto:a@example.org!2K", Destination("a@example.org", 2048)),
        ("mailto:a@example.org?subject=x", Destination("a@example.org")),
        ("mailto:a%2Bb@example.org", Destination("a+b@example.org")),
        ("mailto:a%0d%0aRCPT%20TO:b@example.org", None),
        ("mailto:a%3E@example.org", None),
        ("mailto:a@example.org,b@example.org", None),
        ("mailto:a", None),
        ("mailto:@example.org", None),
        ("https://example.org/x", None),
    ],
)
def test_an_address_is_taken_out_of_a_uri(uri: str, expected: Destination | None) -> None:
    assert mailto(uri) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("example.org", "a@example.org"),
        ("reports.example.org", "a@reports.example.org"),
        ("yes.example", "a@yes.example"),
        ("two.example", "a@two.example"),
        ("other.example", "dmarc@other.example"),
        ("away.example", None),
        ("both.example", None),
        ("wrong.example", None),
        ("victim.example", None),
        (".".join(["x" * 60] * 4), None),
    ],
)
def test_who_is_outside_must_say_that_he_wants_them(host: str, expected: str | None) -> None:
    found = find(f"mailto:a@{host}")
    assert [one.address for one in found.found] == ([expected] if expected else [])
    assert len(found.refused) == (expected is None)
    assert not found.later


def test_what_dns_does_not_tell_is_asked_again_another_day() -> None:
    found = find("mailto:a@slow.example", "mailto:a@example.org")
    assert found.later
    assert [one.address for one in found.found] == ["a@example.org"]


def test_an_address_gets_one_and_destinations_are_bounded() -> None:
    assert len(find("mailto:a@example.org", "mailto:A@example.org").found) == 1
    assert len(find(*(f"mailto:{n}@example.org" for n in range(50))).found) == 5
