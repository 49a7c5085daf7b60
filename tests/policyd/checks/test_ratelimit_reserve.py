"""What a message holds while it comes in, and keys of networks and countries."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from policyd.checks.ratelimit import RateLimit
from policyd.checks.ratelimit_reserve import MANY
from policyd.program import succeed
from tamis.check import Services
from tamis.log import Log
from tamis.registry import Configured
from tamis.store.memory import MemoryStore
from tamis.transaction import Stage, Transaction
from tamis.verdict import Kind, Verdict
from tests.policyd.checks.world import complaints
from tests.policyd.mmdb import write_mmdb

ALICE = Transaction(sasl_username="alice@example.org", client_address="192.0.2.7", sender="alice@example.org")


@dataclass
class Smtpd:
    """Asks one check as Postfix asks about messages."""

    check: RateLimit
    now: float = 1_700_000_000.0
    store: MemoryStore = field(default_factory=MemoryStore)
    lines: list[str] = field(default_factory=list)

    def ask(self, state: str, instance: str, **changes: Any) -> Verdict:
        services = Services(self.store, cast("Any", None), lambda: self.now, "mx", Log(self.lines.append))
        asked = replace(ALICE, instance=instance, attributes={"protocol_state": state}, **changes)
        return asyncio.run(self.check.run(asked, services))

    def rcpt(self, instance: str, recipient: str, **changes: Any) -> Kind:
        return self.ask("RCPT", instance, recipient=recipient, **changes).kind

    def data(self, instance: str, count: int, **changes: Any) -> Kind:
        name = "r0@example.com" if count == 1 else ""
        return self.ask("DATA", instance, recipient_count=count, recipient=name, **changes).kind

    def end(self, instance: str, count: int, **changes: Any) -> Kind:
        name = "r0@example.com" if count == 1 else ""
        asked = {"recipient_count": count, "recipient": name} | changes
        return self.ask("END-OF-MESSAGE", instance, **asked).kind

    def send(self, instance: str, count: int) -> list[Kind]:
        """All recipients of a message, and DATA."""
        asked = [self.rcpt(instance, f"r{n}@example.com") for n in range(count)]
        return [*asked, self.data(instance, count)]


def smtpd(*limits: str, **options: Any) -> Smtpd:
    options = {"stage": "data", "reserve": True} | options
    return Smtpd(RateLimit(limits=limits or ("20/3650d",), **options))


def used(desk: Smtpd) -> tuple[int, int]:
    """Taken and held."""
    [terms] = [next(desk.check._prepared.overrides.all)]
    windows = terms.windows(desk.now, desk.check._prepared.zone)
    subject = desk.check.subject("alice@example.org")
    usage = asyncio.run(desk.store.usage(subject, windows, desk.now))
    return usage.levels[0].used, usage.held


@pytest.mark.parametrize("stage", ["data", "end_of_message"])
def test_sixteen_recipients_with_three_refused_are_thirteen(stage: str) -> None:
    desk = smtpd(stage=stage)
    for number in range(16):
        assert desk.rcpt("one", f"r{number}@example.com") is Kind.PASS
    assert used(desk) == (0, 16)
    assert desk.data("one", 13) is Kind.PASS
    assert used(desk) == ((13, 0) if stage == "data" else (0, 13))
    if stage == "end_of_message":
        assert desk.end("one", 13) is Kind.PASS
    assert used(desk) == (13, 0)


@pytest.mark.parametrize("stage", ["data", "end_of_message"])
def test_messages_are_one_each_however_many_recipients(stage: str) -> None:
    desk = smtpd(stage=stage, cost="message")
    for number in range(16):
        desk.rcpt("one", f"r{number}@example.com")
    assert used(desk) == (0, 1)
    desk.data("one", 13)
    if stage == "end_of_message":
        desk.end("one", 13)
    assert used(desk) == (1, 0)


def test_the_only_recipient_is_settled_too() -> None:
    """DATA names it just as RCPT did."""
    desk = smtpd()
    assert desk.send("one", 1) == [Kind.PASS] * 2
    assert used(desk) == (1, 0)


@pytest.mark.parametrize("stage", ["data", "end_of_message"])
def test_requests_whose_replies_are_lost_count_once(stage: str) -> None:
    desk = smtpd(stage=stage)
    for _ in range(3):
        desk.rcpt("one", "r0@example.com")
    for _ in range(3):
        desk.data("one", 1)
    for _ in range(3 if stage == "end_of_message" else 0):
        desk.end("one", 1)
    assert used(desk) == (1, 0)


def test_what_others_hold_cannot_be_taken() -> None:
    desk = smtpd("5/3650d")
    assert [desk.rcpt("one", f"r{n}@example.com") for n in range(4)] == [Kind.PASS] * 4
    assert [desk.rcpt("two", f"r{n}@example.com") for n in range(2)] == [Kind.PASS, Kind.DEFER]
    assert desk.data("two", 1) is Kind.PASS
    assert desk.data("one", 2) is Kind.PASS
    assert used(desk) == (3, 0)


def test_what_another_limit_refuses_is_not_charged_where_both_reserve() -> None:
    """Daemons that charge one limit after the other keep what the first took for nothing."""
    first, second = smtpd("20/3650d"), smtpd("2/3650d", key=("client_address",))
    for number in range(5):
        name = f"{number}.1.2.3"
        assert first.rcpt(name, "r0@example.com") is Kind.PASS
        if second.rcpt(name, "r0@example.com") is Kind.PASS:
            assert {first.data(name, 1), second.data(name, 1)} == {Kind.PASS}
    first.now += 601
    assert first.rcpt("last.1.2.3", "r0@example.com") is Kind.PASS
    assert used(first) == (2, 1)


def test_who_went_away_is_free_again_after_a_while() -> None:
    desk = smtpd("5/3650d")
    desk.send("first", 1)
    for number in range(4):
        assert desk.rcpt("gone", f"r{number}@example.com") is Kind.PASS
    assert desk.rcpt("next", "r@example.com") is Kind.DEFER
    desk.now += 599
    assert desk.rcpt("next", "r@example.com") is Kind.DEFER
    desk.now += 301  # the refusal is remembered for five minutes
    assert desk.rcpt("next", "r@example.com") is Kind.PASS
    assert used(desk) == (1, 1)


def test_a_message_that_breaks_off_after_data_is_free_again() -> None:
    desk = smtpd(stage="end_of_message")
    desk.send("first", 1)
    desk.end("first", 1)
    desk.send("broken", 9)
    desk.now += 3599
    assert used(desk) == (1, 9)
    desk.now += 1
    desk.rcpt("next", "r@example.com")
    assert used(desk) == (1, 1)


def test_where_nothing_is_ever_settled_the_limit_holds_all_the_same() -> None:
    """The check was put into smtpd_recipient_restrictions alone: the admin is told, and nobody is let through."""
    desk = smtpd("5/3650d")
    passed = 0
    for number in range(2 * MANY):
        passed += desk.rcpt(f"m{number}", "r@example.com") is Kind.PASS
        desk.now += 400
    assert passed == 5
    assert sum("never settled" in line for line in desk.lines) == 1


def test_a_reload_does_not_take_what_is_held_too_long() -> None:
    desk = smtpd()
    assert set(desk.send("a", 1)) == {Kind.PASS}
    for n in range(10):
        desk.rcpt("gone", f"r{n}@example.com")
    desk.now += 3600
    reloaded = smtpd()
    succeed([Configured("users", desk.check)], [Configured("users", reloaded.check)])
    desk.check = reloaded.check
    assert desk.rcpt("b", "r0@example.com") is Kind.PASS
    assert used(desk) == (1, 1)


def test_more_recipients_at_once_than_the_limit_has_are_deferred_not_bounced() -> None:
    desk = smtpd("3/1h")
    kinds = [desk.rcpt("one", f"r{n}@example.com") for n in range(5)]
    assert kinds == [Kind.PASS] * 3 + [Kind.DEFER] * 2
    assert "20 minutes" in desk.ask("RCPT", "one", recipient="r4@example.com").text
    assert desk.data("one", 3) is Kind.PASS


def test_the_declared_size_is_held_and_the_real_one_taken() -> None:
    desk = smtpd("1000/3650d", stage="end_of_message", cost="byte")
    assert desk.rcpt("one", "r@example.com", size_bytes=600) is Kind.PASS
    assert desk.rcpt("one", "s@example.com", size_bytes=600) is Kind.PASS
    assert used(desk) == (0, 600)
    assert desk.rcpt("two", "r@example.com", size_bytes=600) is Kind.DEFER
    assert desk.rcpt("two", "r@example.com", size_bytes=1001) is Kind.REJECT
    assert desk.data("one", 2, size_bytes=600) is Kind.PASS
    assert desk.end("one", 2, size_bytes=700) is Kind.PASS
    assert used(desk) == (700, 0)
    assert desk.rcpt("three", "r@example.com") is Kind.PASS
    assert desk.end("three", 1, size_bytes=301) is Kind.DEFER
    assert used(desk) == (700, 0)


def test_without_reservations_data_takes_what_it_counts() -> None:
    """They were lost with the store, or the client's first recipients came to another one."""
    desk = smtpd()
    assert desk.data("lost", 7) is Kind.PASS
    assert used(desk) == (7, 0)


def test_it_is_asked_wherever_it_must_be() -> None:
    assert smtpd().check.stages == {Stage.RCPT, Stage.DATA}
    assert smtpd(stage="end_of_message").check.stages == {Stage.RCPT, Stage.DATA, Stage.END_OF_MESSAGE}


TABLE = '[policyd.checks.users]\ncheck = "ratelimit"\nlimits = ["5/1h"]\n'


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("reserve = true", "reserve: stage is RCPT already"),
        ('reserve = true\nearly = true\nstage = "data"', "early: reserve does more"),
        ('key = ["country"]', "geoip: must name a MaxMind file that knows country"),
        ('geoip = ["/nowhere.mmdb"]', "geoip: is not needed"),
        ('key = ["asn"]\ngeoip = ["/nowhere.mmdb"]', "geoip: /nowhere.mmdb cannot be read: No such file"),
        ('key = ["client_network"]\nipv4_prefix = 33', "ipv4_prefix"),
    ],
)
def test_contradictions_do_not_load(lines: str, sentence: str) -> None:
    assert sentence in complaints(TABLE + lines)


def test_prefixes_are_the_admins() -> None:
    desk = smtpd(
        "1/3650d", stage="rcpt", reserve=False, key=("client_network",), ipv4_prefix=16, ipv6_prefix=48
    )
    addresses = [
        "192.0.2.7",
        "192.0.99.7",
        "192.1.2.7",
        "2001:db8:0:1::1",
        "2001:db8:0:2::1",
        "2001:db8:1::1",
    ]
    kinds = [desk.rcpt(f"{n}", "r@example.com", client_address=each) for n, each in enumerate(addresses)]
    assert kinds == [Kind.PASS, Kind.DEFER, Kind.PASS, Kind.PASS, Kind.DEFER, Kind.PASS]


@pytest.mark.parametrize("key", ["country", "asn"])
def test_a_country_or_an_operator_is_one_client(tmp_path: Path, key: str) -> None:
    """What no file knows is one country too: to come from nowhere lifts no limit."""
    write_mmdb(tmp_path / "asn", {"192.0.2.0/24": {"autonomous_system_number": 64500}})
    records = {
        "192.0.2.0/25": {"country": {"iso_code": "FR"}},
        "192.0.2.128/25": {"country": {"iso_code": "FR"}},
    }
    write_mmdb(tmp_path / "country", records)
    files = (str(tmp_path / "asn"), str(tmp_path / "country"))
    desk = smtpd("1/3650d", stage="rcpt", reserve=False, key=("sasl_username", key), geoip=files)
    addresses = ["192.0.2.7", "192.0.2.200", "198.51.100.1", "203.0.113.9"]
    kinds = [desk.rcpt(f"{n}", "r@example.com", client_address=each) for n, each in enumerate(addresses)]
    assert kinds == [Kind.PASS, Kind.DEFER, Kind.PASS, Kind.DEFER]
