"""date - date-time of header fields to a moment (RFC 5322 section 3.3, with 4.3). Pure; never fails.

Reads what mailers write: comments anywhere, no day name, two-digit years, named zones, no seconds, no zone, words
after the date. A date that the calendar does not have is no date, nor is one before 1900 (RFC 5322 section 3.3).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

MAX_DATE_CHARS = 256

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ZONES = {
    "ut": 0,
    "utc": 0,
    "gmt": 0,
    "z": 0,
    "est": -5,
    "edt": -4,
    "cst": -6,
    "cdt": -5,
    "mst": -7,
    "mdt": -6,
}
_ZONES |= {"pst": -8, "pdt": -7}
_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*\)", re.DOTALL)
_DATE = re.compile(
    r"""\s* (?:[A-Za-z]{2,9}\s*,\s*)?
    ([0-9]{1,2}) \s+ ([A-Za-z]{3})[A-Za-z]{0,6} \s+ ([0-9]{4}|[0-9]{2}) \s+
    ([0-9]{2}) \s*[:.]\s* ([0-9]{2}) (?:\s*[:.]\s* ([0-9]{2}))?
    (?: \s* ([+-][0-9]{4}) | \s+ ([A-Za-z]{1,5}) )? (?:\s.*)? """,
    re.VERBOSE | re.DOTALL,
)


def parse_date(text: str) -> datetime | None:
    """The moment, in the zone it was written in; None if *text* is no date."""
    text = text[:MAX_DATE_CHARS]
    for _ in range(3):  # comments nest; more than three deep is nobody's date
        text = _COMMENT.sub(" ", text)
    match = _DATE.fullmatch(text)
    if match is None or match[2].lower() not in _MONTHS:
        return None
    zone = _offset(match[7]) if match[7] else _named(match[8] or "")
    seconds = int(match[6] or 0)
    year = _year(match[3])
    if zone is None or seconds > 60 or year < 1900:
        return None
    try:
        # A leap second has no place in datetime: the second before it is the same minute and day.
        return datetime(
            year, _MONTHS.index(match[2].lower()) + 1, int(match[1]), int(match[4]), int(match[5]),
            min(seconds, 59), tzinfo=zone,
        )  # fmt: skip
    except ValueError:
        return None


def _year(digits: str) -> int:
    """RFC 5322 section 4.3: two digits below 50 are this century, others the last one."""
    year = int(digits)
    if len(digits) == 4:
        return year
    return year + (2000 if year < 50 else 1900)


def _offset(text: str) -> timezone | None:
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[3:5]))
    return timezone(-offset if text[0] == "-" else offset) if offset < timedelta(days=1) else None


def _named(name: str) -> timezone:
    """A zone by name; one that says nothing reliable is -0000 (RFC 5322 section 4.3)."""
    hours = _ZONES.get(name.lower(), 0)
    return timezone(timedelta(hours=hours)) if hours else UTC
