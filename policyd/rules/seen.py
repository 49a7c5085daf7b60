"""seen - a request as the conditions of rules look at it: each value is taken apart once, however many rules ask.

Mailboxes and names become the set of keys under which the check access would find them; addresses become numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from tamis.check import Services
from tamis.clients import Address, address
from tamis.transaction import Transaction

MAX_VALUE_CHARS = 2048  # line_length_limit of Postfix

Get = Callable[[Transaction], str]


@dataclass(slots=True)
class Seen:
    """One request while the rules are tried. score, tags: those of earlier checks and of the rules so far. places: how
    country and asn of the client are found."""

    txn: Transaction
    services: Services
    zone: tzinfo
    score: float = 0.0
    tags: set[str] = field(default_factory=set)
    places: Mapping[str, Get] = field(default_factory=dict)
    _keys: dict[Get, frozenset[str]] = field(default_factory=dict)
    _addresses: dict[Get, Address | None] = field(default_factory=dict)
    _now: datetime | None = None

    def keys(self, get: Get, split: Callable[[str], Iterator[str]]) -> frozenset[str]:
        """The value under all its names; nothing for a value that is not known."""
        known = self._keys.get(get)
        if known is None:
            known = self._keys[get] = frozenset(split(get(self.txn)[:MAX_VALUE_CHARS].lower()))
        return known

    def address(self, get: Get) -> Address | None:
        """The value as an address; None for what is none."""
        if get not in self._addresses:
            self._addresses[get] = address(get(self.txn))
        return self._addresses[get]

    def now(self) -> datetime:
        """The time of day in `zone`."""
        if self._now is None:
            self._now = datetime.fromtimestamp(self.services.clock(), self.zone)
        return self._now
