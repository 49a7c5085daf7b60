"""The check dnsbl: weights and their threshold, answers that never count, early stop, deadline and self-test."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from policyd.checks.dnsbl import Dnsbl
from policyd.dnsbl.listing import DnsList
from tamis.check import SelfTesting
from tamis.config.schema import Duration
from tamis.dns import Kind
from tamis.errors import TempFail
from tamis.verdict import Kind as Opinion
from tests.policyd.checks.world import STRANGER, World, Zone, complaints, configured, world

CLIENT = "7.113.0.203"
HIT = [{"A": "127.0.0.2"}]


class Held(Zone):
    """A zone where some lists do not answer at all."""

    def __init__(self, zone: dict[str, Any], *silent: str) -> None:
        super().__init__(zone)
        self.silent = silent

    async def ask(self, name: str, kind: Kind, depth: int = 0) -> tuple[Any, ...]:
        if name.endswith(self.silent):
            self.asked.append((name, kind))
            await asyncio.Event().wait()
        return await super().ask(name, kind, depth)


def check(threshold: float = 1.0, timeout_s: float = 5.0, **lists: Any) -> Dnsbl:
    """Lists by their first label: a weight, or options."""
    made = {
        f"{name}.test": DnsList(weight=float(one)) if isinstance(one, int | float) else DnsList(**one)
        for name, one in lists.items()
    }
    return Dnsbl(lists=made, threshold=threshold, timeout=Duration(timeout_s))


def listed(*lists: str, name: str = CLIENT, answer: str = "127.0.0.2") -> dict[str, Any]:
    return {f"{name}.{one}.test": [{"A": answer}] for one in lists}


def test_weights_add_up_to_a_threshold() -> None:
    three = check(3, a=2, b=2, c=1)
    assert world(listed("a")).verdict(three).kind is Opinion.PASS
    assert world(listed("a", "c")).verdict(three).kind is Opinion.REJECT
    verdict = world(listed("b", "c")).verdict(three)
    assert (verdict.status, verdict.text, verdict.reason) == ("5.7.1", "Listed by b.test, c.test", "score_3")


def test_what_stays_below_is_in_the_journal() -> None:
    assert world(listed("a")).verdict(check(3, a=2, b=2)).reason == "score_2"


def test_a_list_of_good_clients_makes_up_for_others() -> None:
    four = check(4, bad=5, good=-3)
    assert world(listed("bad")).verdict(four).kind is Opinion.REJECT
    assert world(listed("bad", "good")).verdict(four).kind is Opinion.PASS


@pytest.mark.parametrize("answer", ["127.255.255.252", "127.255.255.254", "127.0.0.1", "198.51.100.9"])
@pytest.mark.parametrize("weight", [5, -5])
def test_an_error_code_never_counts_and_the_log_says_so(answer: str, weight: int) -> None:
    """Postfix's own reject_rbl_client takes 127.255.255.254 for a hit, and refuses the world's mail."""
    here, both = world(listed("bad") | listed("other", answer=answer)), check(1, bad=1, other=weight)
    if weight > 0:
        assert here.verdict(both).text == "Listed by bad.test"
        assert world(listed("bad", answer=answer)).action(both) == "DUNNO"
        assert world(listed("bad", "other", answer=answer)).action(both) == "DUNNO"
    else:
        with pytest.raises(TempFail):
            here.verdict(both)
        assert any("other.test" in line and answer in line for line in here.lines)


@pytest.mark.parametrize(
    ("options", "answer", "hit"),
    [
        ({"codes": ("127.0.0.[2..3]",)}, "127.0.0.3", True),
        ({"codes": ("127.0.0.[2..3]",)}, "127.0.0.10", False),
        ({"bits": 6}, "127.0.0.4", True),
        ({"bits": 6}, "127.0.0.10", True),
        ({"bits": 6}, "127.0.0.8", False),
        ({}, "127.0.0.255", False),
        ({}, "127.0.1.255", False),
        ({}, "127.0.1.5", True),
    ],
)
def test_only_answers_that_fit_the_mask_count(options: dict[str, Any], answer: str, hit: bool) -> None:
    verdict = world(listed("a", answer=answer)).verdict(check(a=options))
    assert verdict.kind is (Opinion.REJECT if hit else Opinion.PASS)


@pytest.mark.parametrize("unlisted", ["1.0.0.127", "invalid"])
def test_a_list_that_lists_the_world_counts_nothing(unlisted: str) -> None:
    of = ("client",) if unlisted == "1.0.0.127" else ("sender",)
    zone = listed("a") | listed("a", name="example.org")
    assert world(zone).verdict(check(a={"of": of})).kind is Opinion.REJECT
    here = world(zone | listed("a", name=unlisted))
    assert here.action(check(a={"of": of})) == "DUNNO"
    assert any("lists the world" in line for line in here.lines)


@pytest.mark.parametrize(
    ("of", "name"),
    [
        ("sender", "example.org"),
        ("helo", "mail.example.org"),
        ("reverse_name", "mail.example.org"),
        ("sender_ns", "ns1.example.net"),
        ("sender_mx", "mx.example.net"),
    ],
)
def test_domains_are_asked_of_lists_of_domains(of: Any, name: str) -> None:
    zone = {"example.org": [{"NS": "ns1.example.net"}, {"MX": [10, "mx.example.net"]}]}
    here = world(zone | listed("rhs", name=name, answer="127.0.1.2"))
    assert here.verdict(check(rhs={"of": (of,)})).kind is Opinion.REJECT
    assert world(zone).verdict(check(rhs={"of": (of,)})).kind is Opinion.PASS


def test_a_list_counts_once_however_many_names_it_has() -> None:
    zone = listed("rhs", name="example.org") | listed("rhs", name="mail.example.org")
    assert world(zone).verdict(check(2, rhs={"of": ("sender", "helo")}, other=5)).kind is Opinion.PASS


def test_nobody_waits_for_what_cannot_change_the_score() -> None:
    """The silent lists would take 5 s each; one after the other, as in policyd-weight, ten."""
    for lists, kind in (({"a": 5, "slow": 1}, Opinion.REJECT), ({"a": 1, "slow": 1}, Opinion.PASS)):
        here = World(Held(listed("a"), "slow.test"))
        verdict = here.verdict(check(3, timeout_s=30, **lists))
        assert verdict.kind is kind


def test_silence_counts_nothing_when_time_is_up() -> None:
    here = World(Held(listed("a"), "slow.test", "slower.test"))
    assert here.verdict(check(3, timeout_s=0.3, a=1, slow=2, slower=2)).kind is Opinion.PASS
    assert here.verdict(check(1, timeout_s=0.3, slow=2, a=1)).kind is Opinion.REJECT


def test_silence_of_a_list_that_could_have_saved_the_client_is_no_refusal() -> None:
    here = World(Held(listed("bad"), "good.test"))
    with pytest.raises(TempFail):
        here.verdict(check(4, timeout_s=0.3, bad=5, good=-3))
    assert here.verdict(check(4, timeout_s=0.3, bad=9, good=-3)).kind is Opinion.REJECT


def test_a_list_that_keeps_silent_is_not_asked_for_a_while() -> None:
    here, lists = World(Held({}, "slow.test")), check(timeout_s=0.02, slow=2)
    for _ in range(8):
        here.verdict(lists)
    assert isinstance(here.dns, Held)
    assert len(here.dns.asked) == 5
    assert sum("slow.test" in line for line in here.lines) == 1
    here.now += 61
    here.verdict(lists)
    assert len(here.dns.asked) == 6


def test_a_sender_whose_name_server_is_slow_does_not_switch_a_list_off() -> None:
    here, lists = World(Held({}, "slow.example")), check(timeout_s=0.02, rhs={"of": ("sender_ns",)})
    for _ in range(8):
        here.verdict(lists, sender="a@slow.example")
    zone = {"example.org": [{"NS": "ns1.example.net"}]} | listed("rhs", name="ns1.example.net")
    here.dns = Zone(zone)
    assert here.verdict(lists).kind is Opinion.REJECT


def test_all_lists_are_asked_at_once() -> None:
    async def story() -> Opinion:
        barrier = asyncio.Barrier(10)

        class Together(Zone):
            async def ask(self, name: str, kind: Kind, depth: int = 0) -> tuple[Any, ...]:
                if name.startswith(CLIENT):
                    await barrier.wait()
                return await super().ask(name, kind, depth)

        services = World(Together(listed("l9"))).services()
        return (
            await check(10, **dict.fromkeys([f"l{n}" for n in range(10)], 1)).run(STRANGER, services)
        ).kind

    assert asyncio.run(story()) is Opinion.PASS


@pytest.mark.parametrize("changes", [{"sasl_username": "a"}, {"client_address": "127.0.0.1"}])
def test_logins_and_own_networks_are_not_asked(changes: dict[str, str]) -> None:
    here = world()
    assert here.action(check(a=1), **changes) == "DUNNO"
    assert isinstance(here.dns, Zone)
    assert not here.dns.asked


def test_a_key_in_the_name_of_a_list_is_not_shown_to_clients() -> None:
    lists = check(a={"zone": "s3cret.dq.test", "shown": "zen"})
    here = world({f"{CLIENT}.s3cret.dq.test": HIT})
    assert here.action(lists) == "REJECT 5.7.1 Listed by zen"


def test_two_rows_may_ask_one_list_about_different_answers() -> None:
    lists = check(5, a={"codes": ("127.0.0.2",), "weight": 5}, b={"zone": "a.test", "codes": ("127.0.0.10",)})
    here = world(listed("a"))
    assert here.verdict(lists).kind is Opinion.REJECT
    assert world(listed("a", answer="127.0.0.10")).verdict(lists).kind is Opinion.PASS


def test_the_self_test_tells_good_lists_from_bad_ones() -> None:
    """RFC 5782 section 5: 127.0.0.2 is listed, 127.0.0.1 is not; a list of domains does not list ``invalid``."""
    zone = {
        **listed("good", "world", name="2.0.0.127"),
        **listed("world", name="1.0.0.127"),
        **listed("error", name="2.0.0.127", answer="127.255.255.254"),
        "2.0.0.127.slow.test": ["TIMEOUT"],
        **listed("all", name="invalid"),
    }
    domains = {"of": ("sender",)}
    lists = check(good=1, world=1, error=1, slow=1, dead=1, rhs=domains, all=domains)
    assert isinstance(lists, SelfTesting)
    found = asyncio.run(lists.self_test(Zone(zone)))
    assert [(text.split()[0], bool(advice)) for text, advice in found] == [
        ("good.test", False),
        ("world.test", True),
        ("error.test", True),
        ("slow.test", True),
        ("dead.test", True),
        ("rhs.test", False),
        ("all.test", True),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "needs 1 to 64, not 0"),
        ("threshold = 5\n[policyd.checks.dnsbl.lists.'a.test']\nweight = 2", "do not reach it"),
        (
            "[policyd.checks.dnsbl.lists.'a.test']\ncodes = ['127.255.255.254']",
            "something is wrong with the query",
        ),
        ("[policyd.checks.dnsbl.lists.'a.test']\nbits = 3", "1 is how lists say that they refuse"),
        ("[policyd.checks.dnsbl.lists.'a.test']\nof = ['client', 'sender']", "make two tables"),
        ("[policyd.checks.dnsbl.lists.'a..test']", "is no domain"),
        (
            "reply = '554'\n[policyd.checks.dnsbl.lists.'a.test']",
            "digits only, which Postfix takes for PERMIT",
        ),
    ],
)
def test_a_bad_option_is_refused(words: str, said: str) -> None:
    assert said in complaints(f"[policyd.checks.dnsbl]\n{words}\n")


def test_the_options_as_they_are_written() -> None:
    lists = configured(
        "[policyd.checks.dnsbl]\nthreshold = 5\nreply = '554 5.7.1 {client_address} is on {lists} ({score})'\n"
        "[policyd.checks.dnsbl.lists.'a.test']\nweight = 7.5\n"
        "[policyd.checks.dnsbl.lists.'wl.test']\nweight = -2\ncodes = ['127.0.[2..15].[2..3]']\n"
    )
    zone = listed("a") | listed("wl", answer="127.0.5.2")
    assert world(zone).action(lists) == "554 5.7.1 203.0.113.7 is on a.test (5.5)"


def test_a_check_that_only_counts_leaves_the_whole_score_to_the_rules() -> None:
    """Early stop is for those that decide."""
    three = Dnsbl(lists={f"{n}.test": DnsList(weight=2.0) for n in "abc"}, threshold=1.0, reply="pass")
    verdict = world(listed("a", "b", "c")).verdict(three)
    assert (verdict.kind, verdict.score, verdict.reason) == (Opinion.PASS, 6.0, "score_6")
    assert world(listed("c")).verdict(check(3, a=2, b=2, c=1)).score == 1.0
    assert world({}).verdict(three).score == 0.0
