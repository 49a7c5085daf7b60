"""listing - whether a list lists a name, and whether it is fit to be asked at all.

A hit counts only if the list does not list what RFC 5782 section 5 reserves for that, 127.0.0.1 or the domain
``invalid``: lists that were given up have listed the whole world from one day to the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tamis.dns import Resolver
from tamis.dnsbl.codes import BadMask, Mask, is_error, parsed
from tamis.errors import TempFail

LISTED_CLIENT, UNLISTED_CLIENT = "2.0.0.127", "1.0.0.127"
UNLISTED_DOMAIN = "invalid"


class Refused(TempFail):
    """The list says that something is wrong with our queries."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list as it is asked. zone: its name. masks, bits: which answers count; of *bits* of the last octet one must be
    set, 0: it need not. of_clients: it lists addresses; else domains."""

    zone: str
    masks: tuple[Mask, ...]
    bits: int = 0
    of_clients: bool = False

    async def lists(self, names: Iterable[str], dns: Resolver) -> bool:
        """Whether one of *names* is listed. Raises TempFail where it does not answer, Refused where with an error."""
        heard = await asyncio.gather(*(self._hit(f"{name}.{self.zone}", dns) for name in names))
        if not any(heard):
            return False
        if await dns.addresses(f"{self._unlisted}.{self.zone}", "A"):
            raise Refused(
                "4.4.3", f"{self.zone} lists {self._unlisted}, which nothing may: it lists the world"
            )
        return True

    @property
    def _unlisted(self) -> str:
        return UNLISTED_CLIENT if self.of_clients else UNLISTED_DOMAIN

    async def _hit(self, name: str, dns: Resolver) -> bool:
        answers = parsed(await dns.addresses(name, "A"))
        if wrong := [answer for answer in answers if is_error(answer)]:
            raise Refused("4.4.3", f"{wrong[0]} is no listing but an error")
        return any(
            (not self.bits or answer.packed[3] & self.bits) and any(mask.holds(answer) for mask in self.masks)
            for answer in answers
        )

    async def fault(self, dns: Resolver) -> str:
        """What is wrong with the list as it answers now; "" for nothing (RFC 5782 section 5).

        That a list of domains has a domain that is listed for tests is so rare that it is not asked."""
        try:
            if self.of_clients and not await self._hit(f"{LISTED_CLIENT}.{self.zone}", dns):
                return "does not list 127.0.0.2 as it should: is the name right, and do codes fit?"
            if await dns.addresses(f"{self._unlisted}.{self.zone}", "A"):
                return f"lists {self._unlisted}, which nothing may: it lists the world, or refuses us"
        except Refused as exc:
            return f"answers 127.0.0.2 with an error: {exc.text}"
        except TempFail:
            return "does not answer"
        return ""


def zone_of(text: str) -> str:
    """A list's name as it is asked."""
    return text.lower().strip(".")


def is_zone(zone: str) -> bool:
    """Whether names can be asked below *zone*."""
    return zone.isascii() and all(0 < len(label) < 64 for label in zone.split("."))


def masks_of(codes: Iterable[str]) -> tuple[Mask, ...]:
    """Those of *codes* that are masks; the others are `problems`, and then the configuration does not load."""
    masks = []
    for text in codes:
        try:
            masks.append(Mask.parse(text))
        except BadMask:
            continue
    return tuple(masks)


def problems(codes: tuple[str, ...], bits: int) -> Iterator[str]:
    """What is wrong with the options `codes` and `bits`."""
    if not codes:
        yield "codes: must name at least one"
    if bits & 1:
        yield "bits: 1 is how lists say that they refuse the query (127.0.0.1)"
    for text in codes:
        try:
            Mask.parse(text)
        except BadMask as exc:
            yield f"codes: {exc}"
