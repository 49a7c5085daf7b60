"""postgrey_database - what postgrey remembers, from the records of its two databases. Pure.

postgrey.db           192.0.2.0/ann@example.org/bob@example.net    first attempt, last one, in seconds
postgrey_clients.db   192.0.2.7                                    passes, when the last was counted
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

from tamis.transaction import domain_of

STILL_WAITING = "still waiting: they begin anew"

_HASHED = re.compile(r"[0-9a-f]{40}")  # --privacy


@dataclass(frozen=True, slots=True)
class Errand:
    """A client's network, by an address of it, sender and recipient in small letters, and when it came last."""

    network: str
    sender: str
    recipient: str
    last_s: int


@dataclass(frozen=True, slots=True)
class Client:
    """An address, so many passes, and when the last one was counted."""

    address: str
    passes: int
    last_s: int


@dataclass(slots=True)
class Counts:
    """How many records could not be read, and why."""

    lost: Counter[str] = field(default_factory=Counter)


def errands(
    records: Iterable[tuple[bytes, bytes]], delay_s: float, now_s: float, counts: Counts
) -> Iterator[Errand]:
    """Those that were let through, for they waited *delay_s*."""
    for raw, value in records:
        key = raw.decode("utf-8", "surrogateescape")
        times = _numbers(value)
        if _HASHED.fullmatch(key):
            counts.lost["hashed by --privacy"] += 1
        elif times is None or (parts := _parts(key)) is None:
            counts.lost["not understood"] += 1
        elif times[1] - times[0] < delay_s:
            counts.lost[STILL_WAITING] += 1
        else:
            yield Errand(*parts, min(times[1], int(now_s)))


def clients(records: Iterable[tuple[bytes, bytes]], now_s: float, counts: Counts) -> Iterator[Client]:
    """All that have an address and a number of passes."""
    for raw, value in records:
        key = raw.decode("ascii", "replace")
        numbers = _numbers(value)
        if _HASHED.fullmatch(key):
            counts.lost["hashed by --privacy"] += 1
        elif numbers is None or not _is_address(key):
            counts.lost["not understood"] += 1
        elif numbers[0]:
            yield Client(key, numbers[0], min(numbers[1], int(now_s)))


def _numbers(value: bytes) -> tuple[int, int] | None:
    first, _, rest = value.decode("ascii", "replace").partition(",")
    second = rest.partition(",")[0]
    if not all(part.isascii() and part.isdecimal() and len(part) < 15 for part in (first, second)):
        return None
    return int(first), int(second)


def _parts(key: str) -> tuple[str, str, str] | None:
    """Network, sender and recipient. Local parts may hold slashes, domains do not."""
    network, _, rest = key.partition("/")
    if not _is_address(network):
        return None
    at = len(rest)
    while (at := rest.rfind("/", 0, at)) >= 0:
        sender, recipient = rest[:at], rest[at + 1 :]
        if recipient and "/" not in domain_of(sender) and (not sender or domain_of(sender)):
            return network, sender, recipient
    return None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
