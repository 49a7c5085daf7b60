"""date (RFC 5260): the tests date and currentdate."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import ClassVar

from lda.sieve.compile import Build
from lda.sieve.diagnostics import Severity
from lda.sieve.fields import one_view
from lda.sieve.language import Complaint, Extension, Kind, Predicate, flag, string, strings, tagged
from lda.sieve.machine import Frame
from lda.sieve.matching import MatchingTest, selected
from lda.sieve.scope import Scope, near
from lda.sieve.text import Text, Texts
from tamis.mail.date import parse_date

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ZONE = re.compile(r"([+-])([0-9]{2})([0-5][0-9])")
_MODIFIED_JULIAN = date(1858, 11, 17).toordinal()


def _offset(moment: datetime) -> str:
    minutes = int((moment.utcoffset() or timedelta()).total_seconds() // 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"


def _iso8601(moment: datetime) -> str:
    offset = _offset(moment)
    zone = "Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:]}"
    return f"{_day(moment)}T{_time(moment)}{zone}"


def _std11(moment: datetime) -> str:
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02} {month} {moment.year:04} {_time(moment)} {_offset(moment)}"


def _day(moment: datetime) -> str:
    return f"{moment.year:04}-{moment.month:02}-{moment.day:02}"


def _time(moment: datetime) -> str:
    return f"{moment.hour:02}:{moment.minute:02}:{moment.second:02}"


DATE_PARTS: dict[str, Callable[[datetime], str]] = {
    "year": lambda moment: f"{moment.year:04}",
    "month": lambda moment: f"{moment.month:02}",
    "day": lambda moment: f"{moment.day:02}",
    "date": _day,
    "julian": lambda moment: str(moment.toordinal() - _MODIFIED_JULIAN),
    "hour": lambda moment: f"{moment.hour:02}",
    "minute": lambda moment: f"{moment.minute:02}",
    "second": lambda moment: f"{moment.second:02}",
    "time": _time,
    "iso8601": _iso8601,
    "std11": _std11,
    "zone": _offset,
    "weekday": lambda moment: str(moment.isoweekday() % 7),
}


def zone_of(text: str) -> tzinfo | None:
    """``+0130`` as a zone; None if it is none."""
    match = _ZONE.fullmatch(text)
    if match is None or int(match[2]) > 23:
        return None
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(-offset if match[1] == "-" else offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class _DateTest(MatchingTest):
    """What both tests share."""

    zone: Text | None = tagged(":zone", Kind.STRING, excludes="zone")

    def date_problems(self, part: Text) -> Iterator[Complaint]:
        if part.value is not None and part.value.lower() not in DATE_PARTS:
            hint = near(part.value, DATE_PARTS)
            yield Complaint(
                f"unknown date part '{part.value}' matches nothing", part.node, hint, Severity.WARNING
            )
        if self.zone is not None and self.zone.value is not None and zone_of(self.zone.value) is None:
            text = f"invalid time zone '{self.zone.value}' is ignored"
            yield Complaint(text, self.zone.node, "write it as +0100 or -0430", Severity.WARNING)

    def value(
        self, frame: Frame, moment: datetime, part: Callable[[datetime], str], *, original: bool = False
    ) -> str | None:
        """The part of *moment* in the wanted zone; None if there is no such time."""
        if not original:
            zone = None if self.zone is None else zone_of(self.zone(frame))
            try:
                moment = moment.astimezone(zone or frame.context.now.tzinfo)
            except (OverflowError, ValueError):
                return None  # the edge of the calendar
        return part(moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Date(_DateTest):
    """``date [<":zone" <time-zone>> / ":originalzone"] [COMPARATOR] [MATCH-TYPE] <header> <date-part> <key-list>``

    The first field of that name; where it has a semicolon, what follows the last one (Received)."""

    original: bool = flag(":originalzone", excludes="zone")
    header: Text = string("header name")
    part: Text = string("date part")
    keys: Texts = strings("key list")

    name: ClassVar[str] = "date"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        yield from self.date_problems(self.part)
        yield from self.key_problems(self.keys)

    def predicate(self, build: Build) -> Predicate:
        match, views, tags = self.matcher(build, self.keys), one_view(self.tags), self.tags

        def holds(frame: Frame) -> bool:
            name, part = self.header(frame).lower(), DATE_PARTS.get(self.part(frame).lower())
            if part is None:
                return False
            fields = [value for view in views(frame) for value in view.raw_values(name)]
            found = list(selected(fields, tags))[:1]
            moments = [parse_date(raw.decode("utf-8", "replace").rpartition(";")[2]) for raw in found]
            values = [self.value(frame, m, part, original=self.original) for m in moments if m is not None]
            return match(frame, [value for value in values if value is not None])

        return holds


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentDate(_DateTest):
    """``currentdate [":zone" <time-zone>] [COMPARATOR] [MATCH-TYPE] <date-part> <key-list>``"""

    part: Text = string("date part")
    keys: Texts = strings("key list")

    name: ClassVar[str] = "currentdate"

    def problems(self, scope: Scope) -> Iterator[Complaint]:
        yield from self.date_problems(self.part)
        yield from self.key_problems(self.keys)

    def predicate(self, build: Build) -> Predicate:
        match = self.matcher(build, self.keys)

        def holds(frame: Frame) -> bool:
            part = DATE_PARTS.get(self.part(frame).lower())
            return part is not None and match(frame, (self.value(frame, frame.context.now, part),))

        return holds


EXTENSION = Extension(capability="date", tests=(Date, CurrentDate))
