"""listing - the options of one list of the check dnsbl; how lists answer is `tamis.dnsbl.listing`'s."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policyd.dnsbl.names import Subject
from tamis.config.schema import option
from tamis.dnsbl import listing
from tamis.dnsbl.listing import Listing

MAX_WEIGHT = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsList:
    """One list: ``[policyd.checks.NAME.lists."zen.example.org"]``."""

    weight: float = option(
        1.0,
        "added to the score once if it lists; below 0 for a list of good clients",
        at_least=-MAX_WEIGHT,
        at_most=MAX_WEIGHT,
    )
    of: tuple[Subject, ...] = option(("client",), "what it is asked about: addresses, or domains")
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
        if "client" in self.of and len(self.of) > 1:
            yield "of: a list of addresses (client) is no list of domains; make two tables with the same zone"
        if not self.weight:
            yield "weight: 0 changes nothing"
        yield from listing.problems(self.codes, self.bits)

    def made(self, name: str) -> Listing:
        """The list whose table is called *name*."""
        zone = listing.zone_of(self.zone or name)
        return Listing(zone, listing.masks_of(self.codes), self.bits, of_clients="client" in self.of)
