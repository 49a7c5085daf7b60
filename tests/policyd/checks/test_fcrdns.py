"""The check fcrdns: what Postfix confirmed is believed, what it did not is looked up, and what looks generic."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from policyd.checks.fcrdns import Fcrdns
from policyd.generic import looks_generic
from tamis.errors import TempFail
from tests.policyd.checks.world import Zone, complaints, world

PTR = "7.113.0.203.in-addr.arpa"
PTR6 = ip_address("2001:db8::7").reverse_pointer
ZONE: dict[str, Any] = {
    PTR: [{"PTR": "wrong.example.org"}, {"PTR": "mail.example.org"}],
    PTR6: [{"PTR": "six.example.org"}],
    "mail.example.org": [{"A": "203.0.113.7"}],
    "six.example.org": [{"AAAA": "2001:db8::7"}],
    "wrong.example.org": [{"A": "198.51.100.1"}],
}
ALL = Fcrdns(none="reject", mismatch="reject", generic="reject")
NOBODY = {"client_name": "unknown", "reverse_client_name": "unknown"}


@pytest.mark.parametrize(
    ("zone", "client", "reason"),
    [
        (ZONE, "203.0.113.7", ""),
        (ZONE, "::ffff:203.0.113.7", ""),
        (ZONE, "2001:db8::7", ""),
        ({}, "203.0.113.7", "none"),
        ({PTR: [{"PTR": "wrong.example.org"}]}, "203.0.113.7", "mismatch"),
        ({**ZONE, PTR: [{"PTR": "wrong.example.org"}]}, "203.0.113.7", "mismatch"),
        (
            {
                PTR: [{"PTR": "dsl-203-0-113-7.isp.example"}],
                "dsl-203-0-113-7.isp.example": [{"A": "203.0.113.7"}],
            },
            "203.0.113.7",
            "generic",
        ),
        (ZONE, "unknown", ""),
    ],
)
@pytest.mark.parametrize("given", [NOBODY, {"client_name": "", "reverse_client_name": ""}])
def test_without_a_confirmed_name_dns_decides(
    zone: dict[str, Any], client: str, reason: str, given: dict[str, str]
) -> None:
    assert world(zone).verdict(ALL, client_address=client, **given).reason == reason


def test_what_postfix_confirmed_is_not_asked_again() -> None:
    here = world()
    assert here.action(ALL, client_name="mail.example.org") == "DUNNO"
    assert isinstance(here.dns, Zone)
    assert not here.dns.asked


@pytest.mark.parametrize(
    "zone",
    [{PTR: ["TIMEOUT"]}, {PTR: [{"PTR": "slow.example.org"}], "slow.example.org": ["TIMEOUT"]}],
)
def test_an_unknown_that_comes_from_a_silent_server_is_no_refusal(zone: dict[str, Any]) -> None:
    with pytest.raises(TempFail):
        world(zone).verdict(ALL, **NOBODY)


def test_a_name_that_leads_back_is_enough_though_another_is_slow() -> None:
    zone = {**ZONE, "wrong.example.org": ["TIMEOUT"]}
    assert world(zone).action(ALL, **NOBODY) == "DUNNO"


def test_no_more_than_five_names_of_a_client_are_asked() -> None:
    here = world({PTR: [{"PTR": f"h{n}.example.org"} for n in range(50)]})
    assert here.verdict(ALL, **NOBODY).reason == "mismatch"
    assert isinstance(here.dns, Zone)
    assert len(here.dns.asked) == 6


def test_policies_are_options() -> None:
    assert world().action(Fcrdns(none="pass"), **NOBODY) == "DUNNO"
    told = world().action(Fcrdns(none="450 4.7.25 No name, {client_address}"), **NOBODY)
    assert told == "450 4.7.25 No name, 203.0.113.7"
    assert world().action(Fcrdns(), client_name="pool-203-0-113-7.isp.example") == "DUNNO"


@pytest.mark.parametrize("changes", [{"sasl_username": "a"}, {"client_address": "127.0.0.1"}])
def test_logins_and_own_networks_are_not_asked(changes: dict[str, str]) -> None:
    assert world().action(ALL, **{**NOBODY, **changes}) == "DUNNO"


@pytest.mark.parametrize(
    "name",
    [
        "203-0-113-7.isp.example",
        "7.113.0.203.isp.example",
        "host-113-7.dyn.isp.example",
        "ip203000113007.isp.example",
        "cb007107.isp.example",
        "x.dhcp.isp.example",
        "p5dc.dip0.dialin.isp.example",
        "cpe-0-113-7.isp.example",
        "203.0.113.007.isp.example",
    ],
)
def test_names_that_a_machine_made(name: str) -> None:
    assert looks_generic(ip_address("203.0.113.7"), name)


@pytest.mark.parametrize(
    "name",
    [
        "mail.example.org",
        "mx7.example.org",
        "example.org",
        "dynamic.example",
        "smtp-203-0-113-7.example.org",
        "static-203-0-113-7.isp.example",
        "dyncorp.example.org",
        "a113b7.example.org",
        "mail.pool.example",
        "",
    ],
)
def test_names_that_somebody_chose(name: str) -> None:
    assert not looks_generic(ip_address("203.0.113.7"), name)


def test_patterns_of_the_admin_count_too() -> None:
    check = Fcrdns(generic="reject", generic_patterns=(r"^vm\d+\.",), static_patterns=(r"\.good\.example$",))
    assert world().verdict(check, client_name="VM12.isp.example").reason == "generic"
    assert world().action(check, client_name="vm12.good.example") == "DUNNO"
    assert world().action(check, client_name="203-0-113-7.good.example") == "DUNNO"


@pytest.mark.parametrize("pattern", ["a(b", "(?=x)", r"(a)\\1", "x" * 5000])
def test_a_pattern_that_re2_does_not_take_is_refused(pattern: str) -> None:
    assert "generic_patterns" in complaints(f'[policyd.checks.fcrdns]\ngeneric_patterns = ["{pattern}"]\n')


def test_an_ipv6_host_part_in_the_name_is_generic() -> None:
    client = ip_address("2001:db8::a1b2:c3d4:e5f6:a7b8")
    assert looks_generic(client, "a1b2-c3d4-e5f6-a7b8.isp.example")
    assert not looks_generic(client, "web.isp.example")
