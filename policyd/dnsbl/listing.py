"""listing - one list: its options, whether it lists a name, and whether it is fit to be asked at all.

A hit counts only if the list does not list 127.0.0.1, or the domain ``invalid``, which RFC 5782 section 5 reserves
for that: lists that were given up have listed the whole world from one day to the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from policyd.dnsbl.codes import BadMask, Mask, is_error, parsed
from policyd.dnsbl.names import Subject
from tamis.config.schema import option
from tamis.dns import Resolver
from tamis.errors import TempFail

LISTED_CLIENT, UNLISTED_CLIENT = "2.0.0.127", "1.0.0.127"
UNLISTED_DOMAIN = "invalid"
MAX_WEIGHT = 1000.0


class Refused(TempFail):
    """The list says that something is wrong with our queries."""


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

    _masks: tuple[Mask, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        masks = []
        for text in self.codes:
            try:
                masks.append(Mask.parse(text))
            except BadMask:
                continue  # a problem, and the configuration does not load
        object.__setattr__(self, "_masks", tuple(masks))

    def problems(self) -> Iterator[str]:
        """Masks that are none, and what it cannot be asked."""
        if not self.of:
            yield "of: must name at least one"
        if "client" in self.of and len(self.of) > 1:
            yield "of: a list of addresses (client) is no list of domains; make two tables with the same zone"
        if not self.codes:
            yield "codes: must name at least one"
        if self.bits & 1:
            yield "bits: 1 is how lists say that they refuse the query (127.0.0.1)"
        if not self.weight:
            yield "weight: 0 changes nothing"
        for text in self.codes:
            try:
                Mask.parse(text)
            except BadMask as exc:
                yield f"codes: {exc}"

    @property
    def of_clients(self) -> bool:
        """Whether it lists addresses."""
        return "client" in self.of

    async def lists(self, zone: str, names: list[str], dns: Resolver) -> bool:
        """Whether one of *names* is listed. Raises TempFail where it does not answer, Refused where with an error."""
        heard = await asyncio.gather(*(self._hit(f"{name}.{zone}", dns) for name in names))
        if not any(heard):
            return False
        unlisted = UNLISTED_CLIENT if self.of_clients else UNLISTED_DOMAIN
        if await dns.addresses(f"{unlisted}.{zone}", "A"):
            raise Refused("4.4.3", f"{zone} lists {unlisted}, which nothing may: it lists the world")
        return True

    async def _hit(self, name: str, dns: Resolver) -> bool:
        answers = parsed(await dns.addresses(name, "A"))
        if wrong := [answer for answer in answers if is_error(answer)]:
            raise Refused("4.4.3", f"{wrong[0]} is no listing but an error")
        return any(
            (not self.bits or answer.packed[3] & self.bits)
            and any(mask.holds(answer) for mask in self._masks)
            for answer in answers
        )

    async def fault(self, zone: str, dns: Resolver) -> str:
        """What is wrong with the list as it answers now; "" for nothing (RFC 5782 section 5).

        That a list of domains has a domain that is listed for tests is so rare that it is not asked."""
        unlisted = UNLISTED_CLIENT if self.of_clients else UNLISTED_DOMAIN
        try:
            if self.of_clients and not await self._hit(f"{LISTED_CLIENT}.{zone}", dns):
                return "does not list 127.0.0.2 as it should: is the name right, and do codes fit?"
            if await dns.addresses(f"{unlisted}.{zone}", "A"):
                return f"lists {unlisted}, which nothing may: it lists the world, or refuses us"
        except Refused as exc:
            return f"answers 127.0.0.2 with an error: {exc.text}"
        except TempFail:
            return "does not answer"
        return ""
