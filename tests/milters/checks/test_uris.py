"""The check uris: which domains are asked about, what answers mean, and what hostile mail and silent lists cost."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from milters.checks.uris import UriList, Uris
from tamis.dns import ZoneResolver
from tamis.dnsbl.breaker import FAILURES
from tamis.errors import TempFail
from tamis.verdict import PASS, Kind
from tests.milters.rules.world import judged, problems


class Zone(ZoneResolver):
    """A zone that counts what is asked."""

    def __init__(self, zone: dict[str, Any], silent: str = "") -> None:
        super().__init__(zone)
        self.asked: list[str] = []
        self._silent = silent

    async def addresses(self, name: str, kind: Any) -> tuple[str, ...]:
        self.asked.append(name)
        if self._silent and name.endswith(self._silent):
            await asyncio.sleep(3600)
        return await super().addresses(name, kind)


def listed(*names: str, answer: str = "127.0.0.2") -> dict[str, Any]:
    return {name: [{"A": answer}] for name in names}


def mail(body: str, kind: str = "plain") -> bytes:
    return f"From: a@b.test\r\nContent-Type: text/{kind}; charset=utf-8\r\n\r\n{body}\r\n".encode()


def check(**options: Any) -> Uris:
    given: dict[str, Any] = {"lists": {"uri.list": UriList(weight=3)}, **options}
    return Uris(**given)


EVIL = mail("http://www.evil.test/x")


def test_the_registered_domain_is_asked_about_and_the_weight_is_the_score() -> None:
    dns = Zone(listed("evil.test.uri.list"))
    said = judged(check(), EVIL, dns=dns)
    assert (said.kind, said.score, said.reason) == (Kind.PASS, 3, "listed")
    assert dns.asked == ["evil.test.uri.list", "invalid.uri.list"]


def test_public_suffixes_have_more_than_one_label() -> None:
    dns = Zone({})
    judged(check(), mail("http://a.b.evil.co.uk http://x.github.io"), dns=dns)
    assert set(dns.asked) == {"evil.co.uk.uri.list", "x.github.io.uri.list"}


def test_each_kind_of_list_is_asked_about_its_own() -> None:
    lists = {
        "hosts": UriList(of=("host",), zone="hosts.list"),
        "ips": UriList(of=("address",), zone="ips.list"),
        "both": UriList(of=("domain", "address"), zone="both.list"),
    }
    dns = Zone({})
    judged(check(lists=lists), mail("http://www.evil.test http://192.0.2.7 http://[2001:db8::1]"), dns=dns)
    assert set(dns.asked) == {
        *("www.evil.test.hosts.list", "7.2.0.192.ips.list"),
        *("evil.test.both.list", "7.2.0.192.both.list"),
    }


def test_weights_add_up_and_the_reply_names_what_is_listed() -> None:
    lists = {"a.list": UriList(weight=2), "b.list": UriList(weight=3, zone="key.b.list", shown="b")}
    one = check(lists=lists, threshold=5, reply="REJECT 5.7.1 {domains} is on {lists}")
    both = listed("evil.test.a.list", "evil.test.key.b.list")
    said = judged(one, EVIL, dns=Zone(both))
    assert (said.kind, said.status, said.text, said.score) == (
        Kind.REJECT,
        "5.7.1",
        "evil.test is on a.list, b",
        5,
    )
    said = judged(one, EVIL, dns=Zone(listed("evil.test.a.list")))
    assert (said.kind, said.score) == (Kind.PASS, 2)


@pytest.mark.parametrize("reply", ["hold", "defer", "discard", "reject"])
def test_a_reply_may_be_a_word(reply: str) -> None:
    said = judged(check(reply=reply), EVIL, dns=Zone(listed("evil.test.uri.list")))
    assert said.kind.value == reply
    assert said.text == "evil.test is listed by uri.list"


@pytest.mark.parametrize(
    ("answer", "options", "score"),
    [
        ("127.0.0.2", {}, 3),
        ("127.0.0.10", {"codes": ("127.0.0.2",)}, 0),
        ("127.0.0.10", {"bits": 8}, 3),
        ("127.0.0.10", {"bits": 4}, 0),
        ("127.255.255.254", {}, 0),
        ("127.0.0.1", {}, 0),
        ("203.0.113.1", {}, 0),
    ],
)
def test_only_the_codes_that_count_count(answer: str, options: dict[str, Any], score: float) -> None:
    one = check(lists={"uri.list": UriList(weight=3, **options)})
    assert judged(one, EVIL, dns=Zone(listed("evil.test.uri.list", answer=answer))).score == score


def test_a_list_that_lists_the_world_counts_nothing() -> None:
    assert judged(check(), EVIL, dns=Zone(listed("evil.test.uri.list", "invalid.uri.list"))).score == 0


def test_own_domains_are_not_asked_about_nor_are_our_own_users() -> None:
    dns = Zone({})
    judged(check(own=("example.org", "Shop.Test")), mail("http://a.example.org http://shop.test"), dns=dns)
    judged(check(), EVIL, dns=dns, sasl_username="carl")
    judged(check(trusted_networks=(ip_network("192.0.2.0/24"),)), EVIL, dns=dns)
    assert not dns.asked
    judged(check(own=("bücher.test",)), mail("http://www.xn--bcher-kva.test http://bücher.test"), dns=dns)
    assert not dns.asked
    judged(check(own=("example.org",)), mail("http://notexample.org"), dns=dns)
    assert dns.asked == ["notexample.org.uri.list"]


def test_of_many_domains_some_are_asked_about_and_that_there_are_more_has_an_answer() -> None:
    links = " ".join(f"http://d{n}.test/" for n in range(5000))
    dns = Zone({})
    said = judged(check(too_many="score 2"), mail(links), dns=dns)
    assert len(dns.asked) == 20
    assert (said.score, said.reason) == (2, "too_many")
    assert judged(check(too_many="score 2"), mail("http://d.test " * 100), dns=Zone({})) is PASS


def test_a_silent_list_costs_its_time_and_what_others_say_counts() -> None:
    lists = {"uri.list": UriList(weight=3), "slow.list": UriList()}
    one = check(lists=lists, timeout=0.5)
    said = judged(one, EVIL, dns=Zone(listed("evil.test.uri.list"), silent="slow.list"))
    assert said.score == 3


def test_a_list_that_keeps_failing_is_left_alone() -> None:
    one = check()
    for _ in range(FAILURES):
        assert judged(one, EVIL, dns=Zone({"evil.test.uri.list": ["TIMEOUT"]})) is PASS
    dns = Zone(listed("evil.test.uri.list"))
    assert judged(one, EVIL, dns=dns) is PASS
    assert not dns.asked


def test_one_name_without_answer_does_not_hide_another_that_is_listed() -> None:
    zone = {"slow.test.uri.list": ["TIMEOUT"]} | listed("evil.test.uri.list")
    assert judged(check(), mail("http://slow.test http://evil.test"), dns=Zone(zone)).score == 3


def test_a_suffix_list_that_cannot_be_read_is_a_failure() -> None:
    with pytest.raises(TempFail):
        judged(check(suffix_list="/nonexistent"), EVIL, dns=Zone({}))


def test_links_in_html_count_and_in_attachments_too() -> None:
    dns = Zone({})
    judged(check(), mail('<a href="http://evil.test">http://bank.test</a>', "html"), dns=dns)
    assert set(dns.asked) == {"evil.test.uri.list", "bank.test.uri.list"}


def test_names_without_a_scheme_count_below_top_level_domains_that_exist() -> None:
    dns = Zone({})
    judged(check(), mail("see evil.com, invoice.pdf, www.evil.co.uk and x@mail.org"), dns=dns)
    assert set(dns.asked) == {f"{name}.uri.list" for name in ("evil.com", "evil.co.uk", "mail.org")}
    judged(check(bare=False), mail("see other.com"), dns=dns)
    assert len(dns.asked) == 3


def test_self_test_says_what_is_wrong() -> None:
    one = check(lists={"good.list": UriList(), "bad.list": UriList(), "dead.list": UriList()})
    zone = listed("invalid.bad.list") | {"invalid.dead.list": ["TIMEOUT"]}
    found = dict(asyncio.run(one.self_test(Zone(zone))))
    assert [bool(advice) for advice in found.values()] == [False, True, True]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "needs 1 to"),
        (
            'reply = "REJECT {lists} {nosuch} x"\n[milter.checks.uris.lists."a.b"]',
            "{nosuch} is no placeholder",
        ),
        ('[milter.checks.uris.lists."a.b"]\ncodes = ["128.0.0.1"]', "begin with 127"),
        ('[milter.checks.uris.lists."a.b"]\nof = []', "at least one"),
        ('[milter.checks.uris.lists."a..b"]', "is no domain"),
        ('threshold = 9\nreply = "reject"\n[milter.checks.uris.lists."a.b"]', "do not reach it"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    assert sentence in problems(tmp_path, f"[milter.checks.uris]\n{text}\n")
