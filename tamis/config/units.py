"""units - times, sizes and rates as admins write them: ``500ms 5m 36d``, ``25MiB 10kB 100``, ``100/1h``.

Pure text to number and back; the way back is exact, so that printed options can be read again. Every
`Unfit` is a sentence for the admin.
"""

from __future__ import annotations

import re
from decimal import Decimal

SECONDS = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
    "w": Decimal(604800),
}
BYTES = {
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TiB": 1024**4,
}
MAX_DURATION_S = 36525 * 86400  # a century; a longer one is a slip of the pen
MAX_SIZE_BYTES = 2**63 - 1  # off_t
MAX_COUNT = 2**31 - 1

_NUMBER_UNIT = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,18})?) ?([A-Za-z]*)")
_RATE = re.compile(r"([0-9]{1,19}) ?/ ?(.+)")
_MODE = re.compile(r"0?[0-7]{3}")
_BYTES_ANYHOW = {unit.lower(): factor for unit, factor in BYTES.items()}


class Unfit(ValueError):
    """A value does not fit its option; the text is a sentence for the admin."""


def parse_duration(text: str) -> float:
    """Seconds in ``500ms``, ``1.5h``, ``36d``, to the nanosecond.

    A unit is a must: a bare number means something else to everybody."""
    match = _NUMBER_UNIT.fullmatch(text)
    if not match:
        raise Unfit(f'expected a time such as "5m", not {quoted(text)}')
    number, unit = match.groups()
    if not unit:
        raise Unfit(f'a time needs a unit: "{number}s"? ({", ".join(SECONDS)})')
    if unit not in SECONDS:
        raise Unfit(f"unknown unit of time {quoted(unit)}, one of {', '.join(SECONDS)}")
    seconds = Decimal(number) * SECONDS[unit]
    if seconds > MAX_DURATION_S:
        raise Unfit(f"{quoted(text)} is more than a century")
    return float(round(seconds, 9))


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads as exactly *seconds* (finite, 0 or more)."""
    exact = Decimal(repr(float(seconds)))
    for unit in ("d", "h", "m", "s", "ms"):
        count = exact / SECONDS[unit]
        if count == count.to_integral_value() and (count or unit == "s"):
            return f"{count.to_integral_value():f}{unit}"
    return f"{exact:f}s"


def parse_size(text: str) -> int:
    """Bytes in ``25MiB``, ``10kB`` or ``100``."""
    match = _NUMBER_UNIT.fullmatch(text)
    if not match:
        raise Unfit(f'expected a size such as "25MiB", not {quoted(text)}')
    number, unit = match.groups()
    factor = _BYTES_ANYHOW.get((unit or "B").lower())
    if factor is None:
        raise Unfit(f"unknown unit of size {quoted(unit)}, one of {', '.join(BYTES)}")
    size = Decimal(number) * factor
    if size != size.to_integral_value():
        raise Unfit(f"{quoted(text)} is not a whole number of bytes")
    if size > MAX_SIZE_BYTES:
        raise Unfit(f"{quoted(text)} is more than a file can hold")
    return int(size)


def format_size(size_bytes: int) -> str:
    """The shortest text that `parse_size` reads as exactly *size_bytes*."""
    for unit in ("TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "kB"):
        if size_bytes and size_bytes % BYTES[unit] == 0:
            return f"{size_bytes // BYTES[unit]}{unit}"
    return str(size_bytes)


def parse_rate(text: str) -> tuple[int, float]:
    """Count and seconds in ``100/1h``; both above 0."""
    match = _RATE.fullmatch(text)
    if not match:
        raise Unfit(f'expected a rate such as "100/1h", not {quoted(text)}')
    count, period_s = int(match[1]), parse_duration(match[2])
    if not 0 < count <= MAX_COUNT:
        raise Unfit(f"the count of a rate must be between 1 and {MAX_COUNT}, not {count}")
    if period_s <= 0:
        raise Unfit(f"the time of a rate must be above 0, not {quoted(match[2])}")
    return count, period_s


def parse_mode(text: str) -> int:
    """Permission bits in ``0660``."""
    if not _MODE.fullmatch(text):
        raise Unfit(f'expected a file mode such as "0660", not {quoted(text)}')
    return int(text, 8)


def quoted(text: str, limit: int = 60) -> str:
    """*text* in double quotes, cut to *limit* characters, nothing in it that could move a cursor."""
    return f'"{printable(text if len(text) <= limit else text[: limit - 3] + "...")}"'


def printable(text: str) -> str:
    """*text* with controls and the like as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
