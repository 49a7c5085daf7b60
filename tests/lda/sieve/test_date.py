"""RFC 5260: date and currentdate."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from lda.sieve import Context, Severity
from tests.lda.sieve.play import ALL, errors, findings, holds

ROME = Context(now=datetime(2024, 2, 29, 23, 30, 15, tzinfo=timezone(timedelta(hours=1))))


@pytest.mark.parametrize(
    ("test", "result"),
    [
        ('date "date" "year" "2023"', True),
        ('date "date" "hour" "08"', True),
        ('date :originalzone "date" "hour" "10"', True),
        ('date :zone "-0500" "date" "hour" "03"', True),
        ('date :originalzone "date" "zone" "+0200"', True),
        ('date :zone "+0000" "date" "zone" "+0000"', True),
        ('date "date" "weekday" "2"', True),
        ('date "date" "julian" "60115"', True),
        ('date :originalzone "date" "iso8601" "2023-06-20T10:00:00+02:00"', True),
        ('date "date" "iso8601" "2023-06-20T08:00:00Z"', True),
        ('date :originalzone "date" "std11" "Tue, 20 Jun 2023 10:00:00 +0200"', True),
        ('date :originalzone "received" "time" "10:00:00"', True),
        ('date :value "ge" "date" "date" "2023-01-01"', True),
        ('date :count "eq" "date" "year" "1"', True),
        ('date "DATE" "YEAR" "2023"', True),
        ('date "subject" "year" "2023"', False),
        ('date :count "eq" "subject" "year" "0"', True),
        ('date :contains "x-none" "year" ""', False),
        ('date :contains "date" "nosuch" ""', False),
    ],
)
def test_date_parts(test: str, result: bool) -> None:
    assert holds(test) is result


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("year", "2024"), ("month", "02"), ("day", "29"), ("date", "2024-02-29"), ("hour", "23"), ("minute", "30"),
        ("second", "15"), ("time", "23:30:15"), ("zone", "+0100"), ("weekday", "4"), ("julian", "60369"),
        ("iso8601", "2024-02-29T23:30:15+01:00"), ("std11", "Thu, 29 Feb 2024 23:30:15 +0100"),
    ],
)  # fmt: skip
def test_currentdate_is_the_time_of_delivery_in_the_sites_zone(part: str, value: str) -> None:
    assert holds(f'currentdate "{part}" "{value}"', context=ROME)


def test_a_zone_shifts_the_day_too() -> None:
    assert holds('currentdate :zone "+1300" "date" "2024-03-01"', context=ROME)
    assert holds('currentdate :zone "-0030" "zone" "-0030"', context=ROME)


def test_zone_and_originalzone_exclude_each_other() -> None:
    assert errors(ALL + 'if date :zone "+0100" :originalzone "date" "year" "2023" { }')
    assert errors(ALL + 'if currentdate :originalzone "year" "2023" { }')


@pytest.mark.parametrize("test", ['date "date" "yaer" "x"', 'date :zone "CET" "date" "year" "x"'])
def test_what_can_only_be_a_mistake_is_warned_about(test: str) -> None:
    (warning,) = findings(ALL + f"if {test} {{ }}")
    assert warning.severity is Severity.WARNING
    assert warning.hint


@pytest.mark.parametrize("moment", ["1 Jan 1900 00:00:00 +0000", "31 Dec 9999 23:59:59 -2300"])
def test_the_edges_of_the_calendar_are_no_error(moment: str) -> None:
    message = f"Date: {moment}\r\n\r\n".encode()
    assert holds('date :originalzone :contains "date" "year" ""', message)
    assert holds(
        'anyof (date :zone "-2359" "date" "year" "x", date :zone "+2359" "date" "year" "x", true)', message
    )


def test_a_part_that_nobody_knows_matches_nothing() -> None:
    """Not even a count of none (as Dovecot 2.3)."""
    for test in ('date :count "eq" "date" "nosuch" "0"', 'currentdate :count "eq" "nosuch" "1"'):
        assert not holds(test)
