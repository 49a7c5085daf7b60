"""Limits of the calendar, when they are charged, bytes, and what other daemons count wrongly."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from policyd.checks.ratelimit import RateLimit
from policyd.checks.ratelimit_windows import Limit, ends_at, zone_of
from tamis.config.units import Unfit
from tamis.store import Window
from tamis.transaction import Stage
from tamis.verdict import Kind
from tests.policyd.checks.test_ratelimit import ALICE, Desk, limit

PARIS = ZoneInfo("Europe/Paris")
AT_DATA = replace(ALICE, recipient="", recipient_count=1)


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone_of(zone)).timestamp()


@pytest.mark.parametrize(
    ("text", "limit_"),
    [
        ("100/1h", Limit(100, 3600.0)),
        ("500/1d", Limit(500, 86400.0)),
        ("500/day", Limit(500, 86400.0, "day")),
        ("7 / hour", Limit(7, 3600.0, "hour")),
        ("1GiB/1d", Limit(1 << 30, 86400.0)),
        ("500MB/month", Limit(500_000_000, 31 * 86400.0, "month")),
    ],
)
def test_limits_as_they_are_written(text: str, limit_: Limit) -> None:
    assert Limit.parse(text) == limit_
    assert Limit.parse(str(limit_)) == limit_


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("100", "expected a limit"),
        ("100/", "expected a limit"),
        ("/1h", "no count"),
        ("0/1h", "between 1 and"),
        ("-1/1h", "no count"),
        ("1.5/1h", "no count"),
        ("2TiB/1d", "between 1 and"),
        ("100/days", "a time"),
        ("100/0s", "above 0"),
        ("100/3600", "needs a unit"),
        ("many/1h", "no count"),
    ],
)
def test_limits_that_are_none(text: str, words: str) -> None:
    with pytest.raises(Unfit, match=words):
        Limit.parse(text)


@pytest.mark.parametrize(
    ("stretch", "now", "zone", "end"),
    [
        ("hour", "2026-11-24T13:59:59.9", "UTC", "2026-11-24T14:00"),
        ("hour", "2026-11-24T14:00:00", "UTC", "2026-11-24T15:00"),
        ("hour", "2026-11-24T14:31", "Asia/Kolkata", "2026-11-24T15:00"),
        ("day", "2026-11-24T00:00", "Europe/Paris", "2026-11-25T00:00"),
        ("day", "2026-11-24T23:59:59", "Europe/Paris", "2026-11-25T00:00"),
        ("day", "2026-03-29T12:00", "Europe/Paris", "2026-03-30T00:00"),
        ("day", "2026-12-31T12:00", "Europe/Paris", "2027-01-01T00:00"),
        ("week", "2026-11-23T00:00", "Europe/Paris", "2026-11-30T00:00"),
        ("week", "2026-11-29T23:59", "Europe/Paris", "2026-11-30T00:00"),
        ("month", "2026-01-31T12:00", "UTC", "2026-02-01T00:00"),
        ("month", "2028-02-29T12:00", "UTC", "2028-03-01T00:00"),
        ("month", "2026-12-01T00:00", "UTC", "2027-01-01T00:00"),
    ],
)
def test_when_a_stretch_ends(stretch: Any, now: str, zone: str, end: str) -> None:
    assert ends_at(stretch, at(now, zone), zone_of(zone)) == at(end, zone)


def test_days_are_as_long_as_they_are_and_follow_each_other_without_a_gap() -> None:
    """Over a year of Paris: each moment lies in the day that its clock shows, 23 and 25 hours among them."""
    moment, lengths = at("2026-01-01T00:00", "Europe/Paris"), []
    for _ in range(365):
        end = ends_at("day", moment, PARIS)
        assert ends_at("day", end - 0.001, PARIS) == end
        lengths.append(end - moment)
        moment = end
    assert sorted(set(lengths)) == [82800.0, 86400.0, 90000.0]
    assert moment == at("2027-01-01T00:00", "Europe/Paris")


def test_the_doubled_hour_of_autumn_is_two_hours() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()
    assert ends_at("hour", first, PARIS) == first + 1800
    assert ends_at("hour", first + 3600, PARIS) == first + 5400


def test_a_day_that_has_no_midnight_begins_where_it_begins() -> None:
    """Santiago goes from 23:59:59 to 01:00."""
    zone = ZoneInfo("America/Santiago")
    before = datetime(2026, 9, 5, 12, tzinfo=zone).timestamp()
    end = ends_at("day", before, zone)
    assert datetime.fromtimestamp(end, zone).isoformat() == "2026-09-06T01:00:00-03:00"
    assert ends_at("day", end, zone) == datetime(2026, 9, 7, tzinfo=zone).timestamp()


def test_a_window_is_named_by_its_end() -> None:
    now = at("2026-11-24T12:00", "Europe/Paris")
    assert Limit.parse("5/day").window(now, PARIS) == Window(5, 86400.0, now + 43200)
    assert Limit.parse("5/1d").window(now, PARIS) == Window(5, 86400.0)


def test_exactly_so_many_pass_in_a_day_and_all_come_back_at_midnight() -> None:
    """No job resets it: a daemon that was down at midnight has missed nothing (modoboa's was)."""
    desk, check = Desk(now=at("2026-11-24T00:00", "Europe/Paris")), limit("5/day", zone="Europe/Paris")
    for hours in (0, 6, 12, 18, 23.99):
        desk.now = at("2026-11-24T00:00", "Europe/Paris") + hours * 3600
        assert desk.message(check) is Kind.PASS
    assert desk.message(check) is Kind.DEFER
    desk.now = at("2026-11-25T00:00", "Europe/Paris")
    assert [desk.message(check) for _ in range(6)] == [Kind.PASS] * 5 + [Kind.DEFER]


def test_a_sliding_window_has_no_edge_at_which_twice_the_limit_passes() -> None:
    """Windows that begin on a full hour let two limits through in a second (Stalwart)."""
    desk, check = Desk(now=at("2026-11-24T12:59:59")), limit("5/1h")
    assert [desk.message(check) for _ in range(5)] == [Kind.PASS] * 5
    desk.now += 2
    assert desk.message(check) is Kind.DEFER


def test_what_a_day_refuses_is_told_until_when() -> None:
    desk, check = Desk(now=at("2026-11-24T18:00")), limit("1/day")
    desk.message(check)
    text = desk.ask(check, ALICE).text
    assert text == "Limit of 1/day reached, try again in 6 hours"


def test_a_day_and_an_hour_are_charged_together() -> None:
    desk, check = Desk(now=at("2026-11-24T12:00")), limit("3/1h", "5/day")
    assert [desk.message(check) for _ in range(13)].count(Kind.PASS) == 3
    desk.now += 3600
    assert [desk.message(check) for _ in range(4)].count(Kind.PASS) == 2


# When it is charged


def test_what_is_refused_before_data_is_not_charged_at_data() -> None:
    """Sixteen recipients of which three are refused elsewhere: thirteen, and one message."""
    desk = Desk()
    recipients, messages = limit("20/1h", stage="data"), limit("2/1h", stage="data", cost="message")
    for check in (recipients, messages):
        assert desk.ask(check, replace(AT_DATA, instance="x", recipient_count=13)).kind is Kind.PASS
    assert desk.message(recipients, AT_DATA, recipient_count=8) is Kind.DEFER
    assert desk.message(recipients, AT_DATA, recipient_count=7) is Kind.PASS
    assert desk.message(messages, AT_DATA) is Kind.PASS
    assert desk.message(messages, AT_DATA) is Kind.DEFER


def test_early_refuses_at_rcpt_what_has_nothing_left_and_charges_nothing() -> None:
    desk, check = Desk(), limit("2/1h", stage="data", early=True)
    assert check.stages == {Stage.RCPT, Stage.DATA}
    assert [desk.message(check) for _ in range(9)] == [Kind.PASS] * 9
    assert desk.message(check, AT_DATA, recipient_count=2) is Kind.PASS
    verdict = desk.ask(check, replace(ALICE, instance="y"))
    assert (verdict.kind, verdict.text) == (Kind.DEFER, "Limit of 2/1h reached, try again in 30 minutes")
    desk.now += 1800
    assert desk.message(check) is Kind.PASS


def test_a_message_that_never_comes_in_whole_is_not_charged_at_its_end() -> None:
    """Nothing is asked at END-OF-MESSAGE for it: there is nothing to give back."""
    desk, check = Desk(), limit("2/1h", stage="end_of_message", early=True)
    assert check.stages == {Stage.RCPT, Stage.END_OF_MESSAGE}
    for _ in range(5):
        assert desk.message(check) is Kind.PASS
    assert [desk.message(check, AT_DATA) for _ in range(3)] == [Kind.PASS, Kind.PASS, Kind.DEFER]


def test_bytes_are_counted_when_they_are_known() -> None:
    """SIZE= at MAIL FROM is what the client says; the end of the message is what came."""
    desk, check = Desk(), limit("10kB/day", cost="byte", stage="end_of_message")
    assert desk.message(check, AT_DATA, size_bytes=6000) is Kind.PASS
    assert desk.message(check, AT_DATA, size_bytes=5000) is Kind.DEFER
    assert (
        "Limit of 10kB/day reached" in desk.ask(check, replace(AT_DATA, instance="y", size_bytes=5000)).text
    )
    assert desk.message(check, AT_DATA, size_bytes=4000) is Kind.PASS
    refused = desk.ask(check, replace(AT_DATA, instance="z", size_bytes=10_001))
    assert (refused.kind, refused.status) == (Kind.REJECT, "5.3.4")
    assert refused.text == "10001 bytes are more than may be sent at once"
    assert list(RateLimit(limits=("1kB/1h",), cost="byte").problems())


def test_the_first_message_of_a_stranger_is_measured_too() -> None:
    """rspamd lets a first message through whatever the number of its recipients."""
    desk, check = Desk(), limit("10/1h", stage="data")
    assert desk.message(check, AT_DATA, recipient_count=200) is Kind.REJECT


def test_two_counts_of_the_same_moment_are_two() -> None:
    """CHAPPS keeps moments in a set, where two equal ones are one."""
    desk, check = Desk(), limit("2/1h")
    assert [desk.message(check) for _ in range(3)] == [Kind.PASS, Kind.PASS, Kind.DEFER]


def test_of_many_at_once_exactly_the_limit_passes_and_no_window_is_half_charged() -> None:
    """policyd-rate-guard and policyd-rate-limit read, add and write; cluebringer reads first and adds later."""
    desk, check = Desk(), limit("50/1h", "70/day")

    async def story() -> int:
        services = desk.services()
        txns = [replace(ALICE, instance=f"m{n}") for n in range(200)]
        verdicts = await asyncio.gather(*(check.run(txn, services) for txn in txns))
        return sum(verdict.kind is Kind.PASS for verdict in verdicts)

    assert asyncio.run(story()) == 50
    desk.now += 3600
    assert asyncio.run(story()) == 20
