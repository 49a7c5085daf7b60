"""listing - the options of one list of the check dnsbl; how lists are asked is `tamis.dnsbl`'s."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policyd.dnsbl.names import Subject
from tamis.config.schema import option
from tamis.dnsbl.asked import MAX_WEIGHT, ListOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsList(ListOptions):
    """One list: ``[policyd.checks.NAME.lists."zen.example.org"]``."""

    weight: float = option(
        1.0,
        "added to the score once if it lists; below 0 for a list of good clients",
        at_least=-MAX_WEIGHT,
        at_most=MAX_WEIGHT,
    )
    of: tuple[Subject, ...] = option(("client",), "what it is asked about: addresses, or domains")

    def problems(self) -> Iterator[str]:
        """See `ListOptions.problems`; and mixtures, and a list that changes nothing."""
        if "client" in self.of and len(self.of) > 1:
            yield "of: a list of addresses (client) is no list of domains; make two tables with the same zone"
        if not self.weight:
            yield "weight: 0 changes nothing"
        yield from ListOptions.problems(self)
