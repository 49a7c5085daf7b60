"""times - conditions on the time of day, the day of the week and the date, in the zone of the check."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime

from policyd.rules.texts import Predicate
from policyd.tables.lines import BadLine
from tamis.conditions.logic import parted

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_CLOCK = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)", re.ASCII)

Test = Callable[[datetime], bool]


def moment(read: Callable[[str], Test], texts: tuple[str, ...]) -> Predicate:
    """Whether one of *texts*, as *read* understands them, fits and none of those with ``!``. Raises BadLine."""
    return parted(texts, lambda text: _at(read(text.strip())))


def _at(test: Test) -> Predicate:
    return lambda seen: test(seen.now())


def time_of_day(text: str) -> Test:
    """``08:00-18:00``, the end not included; ``22:00-06:00`` goes over midnight."""
    start, dash, end = text.partition("-")
    if not dash:
        raise BadLine(f"{text!r} is no stretch of the day such as 08:00-18:00")
    begin, until = _minutes(start), _minutes(end)
    if begin < until:
        return lambda now: begin <= now.hour * 60 + now.minute < until
    if begin == until:
        raise BadLine(f"{text!r} is no time at all; the whole day is 00:00-24:00")
    return lambda now: not until <= now.hour * 60 + now.minute < begin


def _minutes(text: str) -> int:
    found = _CLOCK.fullmatch(text.strip())
    if found is None or int(found[1]) * 60 + int(found[2]) > 24 * 60:
        raise BadLine(f"{text!r} is no time of day such as 08:00")
    return int(found[1]) * 60 + int(found[2])


def weekday(text: str) -> Test:
    """``sat``, ``mon-fri``, ``fri-mon``."""
    first, dash, last = text.lower().partition("-")
    begin = _day(first)
    until = _day(last) if dash else begin
    days = {(begin + n) % 7 for n in range((until - begin) % 7 + 1)}
    return lambda now: now.weekday() in days


def _day(text: str) -> int:
    if text.strip() not in DAYS:
        raise BadLine(f"{text!r} is none of {', '.join(DAYS)}")
    return DAYS.index(text.strip())


def day(text: str) -> Test:
    """``2026-12-24``, ``2026-12-24..2027-01-01`` with both ends."""
    first, dots, last = text.partition("..")
    begin = _date(first)
    until = _date(last) if dots else begin
    if begin > until:
        raise BadLine(f"{text!r} ends before it begins")
    return lambda now: begin <= now.date() <= until


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise BadLine(f"{text!r} is no date such as 2026-12-24") from None
