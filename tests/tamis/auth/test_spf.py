"""SPF: the openspf.org suite for RFC 7208, and the peers that pyspf alone would stumble over."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tamis.auth.spf import SpfResult, mail_from
from tamis.dns import ZoneResolver

SUITE = Path(__file__).parent / "data/rfc7208-tests.yml"


def cases() -> Iterator[Any]:
    for section in yaml.load_all(SUITE.read_text(), Loader=yaml.CSafeLoader):
        zone = with_txt(section["zonedata"])
        for name, case in section["tests"].items():
            yield pytest.param(zone, case, id=f"{section['description']}: {name}".replace(" ", "-"))


def with_txt(zone: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The suite's convention: an SPF record stands for TXT too, unless the name has TXT records (or says NONE)."""
    full: dict[str, list[Any]] = {}
    for name, records in zone.items():
        plain = [r for r in records if r == "TIMEOUT" or "SPF" not in r]
        if not any(r != "TIMEOUT" and "TXT" in r for r in records):
            plain += [{"TXT": r["SPF"]} for r in records if r != "TIMEOUT" and "SPF" in r]
        full[name] = [r for r in plain if r == "TIMEOUT" or r.get("TXT") != "NONE"]
    return full


def evaluate(zone: dict[str, list[Any]], client: str, sender: str, helo: str) -> SpfResult:
    return asyncio.run(mail_from(ZoneResolver(zone), client, sender, helo, "receiver.example"))


@pytest.mark.parametrize(("zone", "case"), list(cases()))
def test_the_suite_of_rfc_7208(zone: dict[str, list[Any]], case: dict[str, Any]) -> None:
    got = evaluate(zone, case["host"], case.get("mailfrom", ""), case["helo"])
    wanted = case["result"]
    assert got.result in (wanted if isinstance(wanted, list) else [wanted])
    if got.result == "fail" and case.get("explanation", "DEFAULT") != "DEFAULT":
        assert got.explanation == case["explanation"]


ZONE = {
    "example.org": [{"TXT": "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"}],
    "slow.example": ["TIMEOUT"],
}


@pytest.mark.parametrize(
    ("client", "sender", "helo", "result"),
    [
        ("192.0.2.1", "a@example.org", "mx.example.org", "pass"),
        ("::ffff:192.0.2.1", "a@example.org", "mx.example.org", "pass"),
        ("2001:db8::1%eth0", "a@example.org", "mx.example.org", "pass"),
        ("198.51.100.1", "a@example.org", "mx.example.org", "fail"),
        ("198.51.100.1", "a@b@example.org", "mx.example.org", "fail"),
        ("198.51.100.1", "@example.org", "mx.example.org", "fail"),
        ("198.51.100.1", "a@EXAMPLE.ORG.", "mx.example.org", "fail"),
        ("198.51.100.1", "", "example.org", "fail"),
        ("unknown", "a@example.org", "mx.example.org", "none"),
        ("", "", "", "none"),
        ("192.0.2.1", "a@localhost", "localhost", "none"),
        ("192.0.2.1", "a@[192.0.2.1]", "[192.0.2.1]", "none"),
        ("192.0.2.1", "a@\udce9.example", "\udce9", "none"),
        ("192.0.2.1", "a" * 5000 + "@example.org", "mx", "pass"),
        ("192.0.2.1", "a@" + "x." * 200 + "example", "mx", "none"),
        ("192.0.2.1", "a@slow.example", "mx.example.org", "temperror"),
    ],
)
def test_every_peer_gets_a_result(client: str, sender: str, helo: str, result: str) -> None:
    assert evaluate(ZONE, client, sender, helo).result == result


def test_an_explanation_is_printable_and_bounded() -> None:
    zone = {
        "example.org": [{"TXT": "v=spf1 -all exp=why.example.org"}],
        "why.example.org": [{"TXT": ["no\r\nX-Forged: 1 " + "x" * 200, "y" * 200]}],
    }
    got = evaluate(zone, "192.0.2.1", "a@example.org", "mx.example.org")
    assert got.result == "fail"
    assert got.explanation.isprintable()
    assert len(got.explanation) <= 300


def costly() -> dict[str, list[Any]]:
    """All that RFC 7208 section 4.6.4 lets a domain ask for: ten MX look-ups of ten hosts, here of 100 addresses."""
    zone: dict[str, list[Any]] = {
        "example.org": [{"TXT": "v=spf1 " + " ".join(f"mx:m{n}.example" for n in range(10)) + " -all"}]
    }
    for n in range(10):
        zone[f"m{n}.example"] = [{"MX": [10, f"h{n}-{m}.example"]} for m in range(10)]
        zone |= {f"h{n}-{m}.example": [{"A": f"198.51.100.{k}"} for k in range(100)] for m in range(10)}
    return zone


def test_a_costly_domain_is_judged_in_few_passes_with_turns_for_others_between_them() -> None:
    """Answers from a cache come without a wait: the loop would stand still for as long as all passes take."""

    async def beside() -> tuple[str, int]:
        turns, query = (
            0,
            mail_from(ZoneResolver(costly()), "192.0.2.1", "a@example.org", "mx.example.org", "r"),
        )
        judging = asyncio.create_task(query)
        while not judging.done():
            await asyncio.sleep(0)
            turns += 1
        return judging.result().result, turns

    result, turns = asyncio.run(beside())
    assert result == "fail"
    assert 12 <= turns <= 60


def test_hosts_of_one_mx_are_looked_up_together() -> None:
    class Gate(ZoneResolver):
        all_ten = asyncio.Barrier(10)

        async def ask(self, name: str, kind: Any, depth: int = 0) -> tuple[Any, ...]:
            if kind == "A":
                await self.all_ten.wait()
            return await super().ask(name, kind, depth)

    query = mail_from(Gate(costly()), "192.0.2.1", "a@example.org", "mx.example.org", "r")
    assert asyncio.run(query).result == "fail"


@pytest.mark.parametrize(("terms", "result"), [(300, "fail"), (1000, "permerror")])
def test_a_record_that_was_made_to_be_long_is_wrong(terms: int, result: str) -> None:
    record = "v=spf1 " + "ip4:203.0.113.1 " * terms + "-all"
    assert evaluate({"example.org": [{"TXT": record}]}, "192.0.2.1", "a@example.org", "mx").result == result


@pytest.mark.parametrize(
    ("client", "network", "result"),
    [
        ("192.0.2.129", "a:n.example/25", "pass"),
        ("192.0.2.1", "a:n.example/25", "fail"),
        ("192.0.2.1", "a:n.example/0", "pass"),
        ("2001:db8:1::9", "a:n.example/32//48", "pass"),
        ("2001:db8:2::9", "a:n.example/32//48", "fail"),
    ],
)
def test_networks_are_compared_by_their_prefix(client: str, network: str, result: str) -> None:
    zone: dict[str, list[Any]] = {
        "example.org": [{"TXT": f"v=spf1 {network} -all"}],
        "n.example": [{"A": "192.0.2.200"}, {"AAAA": "2001:db8:1::1"}],
    }
    assert evaluate(zone, client, "a@example.org", "mx").result == result


def test_a_slow_domain_does_not_delay_another() -> None:
    class Slow(ZoneResolver):
        async def ask(self, name: str, kind: Any, depth: int = 0) -> tuple[Any, ...]:
            if name.startswith("slow"):
                await asyncio.Event().wait()
            return await super().ask(name, kind, depth)

    async def both() -> str:
        resolver = Slow(ZONE)
        slow = asyncio.create_task(mail_from(resolver, "192.0.2.1", "a@slow.example", "mx.example.org", "r"))
        await asyncio.sleep(0)
        quick = await mail_from(resolver, "192.0.2.1", "a@example.org", "mx.example.org", "r")
        assert not slow.done()
        slow.cancel()
        return quick.result

    assert asyncio.run(both()) == "pass"


@pytest.mark.parametrize(("client", "result"), [("2001:db8::1", "pass"), ("192.0.2.1", "pass")])
def test_hosts_without_ipv6_are_not_void_for_clients_with_it(client: str, result: str) -> None:
    """Three of them would be a permerror (RFC 7208 section 4.6.4), for IPv6 clients and for no others."""
    zone: dict[str, list[Any]] = {
        "example.org": [
            {"TXT": "v=spf1 mx a:a.example a:b.example a:c.example ip6:2001:db8::/32 ip4:192.0.2.0/24 -all"}
        ],
        **{f"{name}.example": [{"A": "198.51.100.1"}] for name in "abcd"},
    }
    zone["example.org"] += [{"MX": [n, "d.example"]} for n in range(5)]
    assert evaluate(zone, client, "a@example.org", "mx").result == result


@pytest.mark.parametrize("client", ["2001:db8::1", "192.0.2.1"])
def test_hosts_that_do_not_exist_are_void(client: str) -> None:
    zone = {"example.org": [{"TXT": "v=spf1 a:a.example a:b.example a:c.example +all"}]}
    assert evaluate(zone, client, "a@example.org", "mx").result == "permerror"


def test_all_that_a_domain_may_ask_for_is_little_enough_for_ipv6_clients_too() -> None:
    assert evaluate(costly(), "2001:db8::1", "a@example.org", "mx.example.org").result == "fail"


def test_whose_words_an_explanation_is() -> None:
    zone: dict[str, list[Any]] = {
        "own.example": [{"TXT": "v=spf1 -all exp=why.example"}],
        "why.example": [{"TXT": "Ours"}],
        "none.example": [{"TXT": "v=spf1 -all"}],
        "to.example": [{"TXT": "v=spf1 redirect=none.example exp=why.example"}],
    }
    found = [evaluate(zone, "192.0.2.1", f"a@{name}.example", "mx") for name in ("own", "none", "to")]
    assert [one.explained for one in found] == [True, False, False]
    assert found[0].explanation == "Ours"
    assert found[1].explanation == found[2].explanation != ""
