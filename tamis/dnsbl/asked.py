"""asked - lists as a check asks them: the options that each has, its health in this process, and what is counted.

What a list is asked about, and what its answer is worth, is the check's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tamis import metrics
from tamis.config.schema import option
from tamis.dns import Resolver
from tamis.dnsbl import listing
from tamis.dnsbl.breaker import Breaker
from tamis.dnsbl.listing import Listing, Refused
from tamis.errors import TempFail
from tamis.log import Log

MAX_WEIGHT = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """One list. Each check has its own words for `weight`, `of` and `codes`."""

    weight: float = option(1.0, "added to the score once if it lists", at_least=0.001, at_most=MAX_WEIGHT)
    of: tuple[str, ...] = option((), "what it is asked about")
    codes: tuple[str, ...] = option(
        ("127.0.[0..1].[2..254]",), "answers that count: 127.0.0.2, 127.0.0.[2..11;14]"
    )
    bits: int = option(
        0, "of these bits of the last octet one must be set; 0: it need not", at_least=0, at_most=254
    )
    zone: str = option("", "the name that is asked; empty: the table's")
    shown: str = option("", "its name in replies; empty: the table's. For one that holds a key of yours")

    def problems(self) -> Iterator[str]:
        """Masks that are none, and what it cannot be asked."""
        if not self.of:
            yield "of: must name at least one"
        yield from listing.problems(self.codes, self.bits)


Options = TypeVar("Options", bound=ListOptions)


@dataclass(frozen=True, slots=True)
class Asked(Generic[Options]):
    """A list as it is asked. label: the name of its table."""

    label: str
    options: Options
    listing: Listing
    breaker: Breaker

    @classmethod
    def made(cls, label: str, options: Options, *, of_clients: bool = False) -> Asked[Options]:
        """From its table. of_clients: it lists addresses; else domains."""
        zone = listing.zone_of(options.zone or label)
        masks = listing.masks_of(options.codes)
        return cls(label, options, Listing(zone, masks, options.bits, of_clients), Breaker())

    @property
    def shown(self) -> str:
        """Its name for people."""
        return self.options.shown or self.label

    def allows(self, now_s: float) -> bool:
        """Whether to ask it now; one that is left alone is counted."""
        allowed = self.breaker.allows(now_s)
        if not allowed:
            metrics.count_dnsbl(self.shown, "skipped")
        return allowed

    def heard(self, *, listed: bool) -> None:
        """It has answered."""
        self.breaker.succeeded()
        metrics.count_dnsbl(self.shown, "listed" if listed else "unlisted")

    def failed(self, failures: Sequence[TempFail], now_s: float, log: Log) -> bool:
        """It has failed, without *failures* by its silence. Whether it refuses us: then what it lists is nothing."""
        refused = any(isinstance(failure, Refused) for failure in failures)
        metrics.count_dnsbl(self.shown, "failure" if failures else "timeout")
        if self.breaker.failed(now_s, at_once=refused):
            why = failures[0].text if failures else "timeout"
            log.warning("a DNS list is of no use now", list=self.shown, error=why)
        return refused


def problems(lists: Sequence[Asked[Options]], most: int) -> Iterator[str]:
    """What is wrong with the option `lists`, of which there may be *most*."""
    if not 1 <= len(lists) <= most:
        yield f"lists: needs 1 to {most}, not {len(lists)}"
    for one in lists:
        if not listing.is_zone(one.listing.zone):
            yield f"lists: {one.listing.zone!r} is no domain"


async def self_test(lists: Sequence[Asked[Options]], dns: Resolver) -> list[tuple[str, str]]:
    """Whether each list lists what it must, and not what it must not: see `tamis.check.SelfTesting`."""
    faults = await asyncio.gather(*(one.listing.fault(dns) for one in lists))
    advice = "use a resolver of your own, or another list"
    return [
        (f"{one.shown} {fault}", advice) if fault else (f"{one.shown} answers as it should", "")
        for one, fault in zip(lists, faults, strict=True)
    ]
