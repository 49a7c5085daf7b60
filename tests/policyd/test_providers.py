"""Known providers: which servers an SPF record names, within bounds, and what holds while DNS is in trouble."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from policyd.checks.greylist import Greylist
from policyd.checks.ratelimit import RateLimit
from policyd.program import succeed
from policyd.providers import (
    MAX_LOOK_UPS,
    MAX_NETWORKS,
    WELL_KNOWN,
    Providers,
    Unusable,
    domains,
    networks_of,
)
from tamis.dns import ZoneResolver
from tamis.errors import TempFail
from tamis.registry import Configured
from tamis.transaction import Findings
from tests.policyd.checks.world import STRANGER, World, Zone, complaints, world


def spf(*records: str) -> list[dict[str, Any]]:
    return [{"TXT": f"v=spf1 {record}"} for record in records]


ZONE: dict[str, list[Any]] = {
    "big.example": spf(
        "include:a.big.example ?include:maybe.example ip4:192.0.2.0/24 redirect=b.big.example"
    ),
    "a.big.example": spf("ip6:2001:db8::/32 a:out.big.example/28 exists:%{i}.big.example ptr -all"),
    "b.big.example": spf("mx -ip4:198.51.100.99 ~all include:never.example"),
    "maybe.example": spf("ip4:203.0.113.0/24 -all"),
    "never.example": spf("ip4:203.0.113.0/24 -all"),
    "out.big.example": [{"A": "198.51.100.20"}, {"AAAA": "2001:db8:1::5"}],
}
ZONE["b.big.example"] += [{"MX": [10, "mx1.big.example"]}, {"MX": [20, "mx2.big.example"]}]
ZONE |= {"mx1.big.example": [{"A": "198.51.100.1"}], "mx2.big.example": [{"AAAA": "2001:db8:2::1"}]}


def names(zone: dict[str, list[Any]], domain: str = "big.example") -> set[str]:
    return {str(net) for net in asyncio.run(networks_of(ZoneResolver(zone), domain))}


def test_a_record_is_walked_to_the_end_and_only_what_passes_counts() -> None:
    assert names(ZONE) == {
        "192.0.2.0/24",
        "2001:db8::/32",
        "198.51.100.16/28",
        "2001:db8:1::5/128",
        "198.51.100.1/32",
        "2001:db8:2::1/128",
    }


def test_records_that_include_each_other_end() -> None:
    zone = {
        "big.example": spf("include:two.example ip4:192.0.2.1 -all"),
        "two.example": spf("include:big.example -all"),
    }
    assert names(zone) == {"192.0.2.1/32"}


@pytest.mark.parametrize(
    ("records", "sentence"),
    [
        (["ip4:192.0.2.1 +all"], "lets everybody send"),
        (["ip4:192.0.2.1 all"], "lets everybody send"),
        (["ip4:0.0.0.0/1 -all"], "too much of the world"),
        (["ip6:::/0 -all"], "too much of the world"),
        (["-all"], "names no servers"),
        (["ip4:192.0.2.1 -all", "ip4:192.0.2.2 -all"], "no SPF record"),
        ([], "no SPF record"),
        ([" ".join(f"ip4:192.0.{n // 256}.{n % 256}" for n in range(MAX_NETWORKS + 1))], "more than"),
        ([" ".join(f"include:i{n}.example" for n in range(MAX_LOOK_UPS + 1))], "look-ups"),
        (["mx " * (MAX_LOOK_UPS + 1)], "look-ups"),
    ],
)
def test_what_names_no_bounded_set_of_servers_is_unusable(records: list[str], sentence: str) -> None:
    with pytest.raises(Unusable, match=sentence):
        names({"big.example": spf(*records)})


@pytest.mark.parametrize(
    "term", ["ip4:nonsense", "ip4:192.0.2.0/99", "a:/", "include:", "include:..", "mx:%{d}", "x=y", "\x80"]
)
def test_a_term_that_cannot_be_read_is_passed_over(term: str) -> None:
    assert names({"big.example": spf(f"{term} ip4:192.0.2.7 -all")}) == {"192.0.2.7/32"}


def refreshed(providers: Providers, zone: dict[str, list[Any]], home: World) -> None:
    asyncio.run(providers.refresh(replace(home.services(), dns=ZoneResolver(zone))))


def test_what_was_found_stays_while_dns_does_not_answer_and_is_told_once() -> None:
    providers, home = Providers(("big.example", "small.example")), world()
    zone = {"big.example": spf("ip4:192.0.2.0/24 -all"), "small.example": spf("ip4:198.51.100.1 -all")}
    refreshed(providers, zone, home)
    assert providers.holds("192.0.2.9")
    silent: dict[str, list[Any]] = zone | {"big.example": ["TIMEOUT"]}
    for _ in range(3):
        refreshed(providers, silent, home)
    assert providers.holds("192.0.2.9")
    assert providers.holds("198.51.100.1")
    assert len(home.lines) == 1
    assert "domains=big.example" in home.lines[0]


def test_what_a_record_names_no_more_is_forgotten() -> None:
    providers, home = Providers(("big.example",)), world()
    refreshed(providers, {"big.example": spf("ip4:192.0.2.0/24 -all")}, home)
    refreshed(providers, {"big.example": spf("ip4:198.51.100.0/24 -all")}, home)
    assert not providers.holds("192.0.2.9")
    assert providers.holds("198.51.100.9")
    refreshed(providers, {"big.example": spf("+all")}, home)
    assert not providers.holds("198.51.100.9")


def test_a_walk_that_a_slow_domain_holds_up_delays_no_request() -> None:
    """The check is asked a hundred times while its first walk stands still."""

    class Held(Zone):
        def __init__(self) -> None:
            super().__init__({})
            self.reached = asyncio.Event()

        async def texts(self, name: str) -> tuple[bytes, ...]:
            self.reached.set()
            await asyncio.get_running_loop().create_future()
            raise AssertionError

    async def story() -> None:
        check, here = Greylist(providers=("slow.example",), spf=False), World(Held())
        walking = asyncio.create_task(check.attend(here.services()))
        assert isinstance(here.dns, Held)
        await here.dns.reached.wait()
        async with asyncio.timeout(30):
            for n in range(100):
                await check.run(replace(STRANGER, recipient=f"r{n}@x"), here.services())
        walking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await walking

    asyncio.run(story())


def test_a_providers_servers_do_not_wait_and_no_request_looks_them_up() -> None:
    async def story() -> tuple[str, str, int]:
        here = world({"big.example": spf("ip4:203.0.113.0/24 -all")})
        check = Greylist(providers=("big.example",), spf=False)
        assert (await check.run(STRANGER, here.services())).reason == "new"
        walking = asyncio.create_task(check.attend(here.services()))
        while not check._providers.holds("203.0.113.7"):  # noqa: ASYNC110 - nothing tells that it is done
            await asyncio.sleep(0)
        walking.cancel()
        assert isinstance(here.dns, Zone)
        asked = len(here.dns.asked)
        inside = await check.run(STRANGER, here.services())
        outside = await check.run(replace(STRANGER, client_address="198.51.100.1"), here.services())
        return inside.reason, outside.reason, len(here.dns.asked) - asked

    assert asyncio.run(story()) == ("provider", "new", 0)


def test_providers_stay_known_over_a_reload_that_still_names_them() -> None:
    old = Greylist(providers=("big.example", "other.example"))
    refreshed(old._providers, ZONE | {"other.example": spf("ip4:203.0.113.0/24 -all")}, world())
    new, fewer, limit = (
        Greylist(providers=("big.example",)),
        Greylist(providers=()),
        RateLimit(limits=("1/1h",)),
    )
    succeed([Configured("grey", old)], [Configured("grey", new), Configured("more", fewer)])
    assert new._providers.holds("192.0.2.7")
    assert not new._providers.holds("203.0.113.7")
    assert not fewer._providers.holds("192.0.2.7")
    succeed([Configured("grey", old)], [Configured("grey", limit)])  # another check under its name


def test_without_providers_the_check_has_nothing_to_do_beside_the_requests() -> None:
    asyncio.run(Greylist(providers=()).attend(world().services()))


def test_the_list_that_comes_with_tamis_is_made_of_domains() -> None:
    known = domains([WELL_KNOWN])
    assert "_spf.google.com" in known
    assert domains([WELL_KNOWN, "Partner.example."]) == (*known, "partner.example")
    assert list(Greylist(providers=known).problems()) == []


def test_what_is_no_domain_is_told() -> None:
    said = complaints('[policyd.checks.greylist]\nproviders = ["google.com", "well known"]\n')
    assert "providers: 'well known' is neither a domain nor \"well-known\"" in said


def test_an_answer_that_fails_half_way_changes_nothing() -> None:
    zone: dict[str, list[Any]] = {
        "big.example": spf("ip4:192.0.2.1 include:slow.example -all"),
        "slow.example": ["TIMEOUT"],
    }
    with pytest.raises(TempFail):
        names(zone)


@pytest.mark.parametrize(
    ("score", "reason"), [(0.0, "not_suspicious"), (3.0, "new"), (2.9, "not_suspicious")]
)
def test_scores_of_earlier_checks_make_a_client_suspicious(score: float, reason: str) -> None:
    check = Greylist(threshold=3, spf=False, providers=())
    shown = replace(STRANGER, attributes={"encryption_protocol": "TLSv1.3"}, findings=Findings(score=score))
    assert world().verdict(check, shown).reason == reason


def test_a_good_score_makes_up_for_signs() -> None:
    check = Greylist(threshold=2, spf=False, providers=())
    nameless = replace(STRANGER, client_name="unknown", reverse_client_name="unknown")
    assert world().verdict(check, nameless).reason == "new"
    praised = replace(nameless, findings=Findings(score=-5.0))
    assert world().verdict(check, praised).reason == "not_suspicious"


def test_networks_are_those_of_the_record_with_host_bits_cut() -> None:
    assert ip_network("192.0.2.0/24") in asyncio.run(
        networks_of(ZoneResolver({"big.example": spf("ip4:192.0.2.77/24 -all")}), "big.example")
    )
