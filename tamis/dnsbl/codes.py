"""codes - which answers of a list count: masks such as ``127.0.0.[2..11]``, as postscreen writes them.

Lists answer their own mistakes too: 127.255.255.254 says that they do not talk to our resolver, 127.0.0.1 that the
query was refused, and a provider that sells unknown names answers any address. Such an answer never counts, whatever
the masks say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network

LISTS = IPv4Network("127.0.0.0/8")  # RFC 5782 section 2.1
ERRORS = IPv4Network(
    "127.255.0.0/16"
)  # Spamhaus: 127.255.255.252 typing error, .254 public resolver, .255 too many
REFUSED = IPv4Address("127.0.0.1")  # URIBL, SURBL

_FIELD = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")
_RANGE = re.compile(r"(\d{1,3})(?:\.\.(\d{1,3}))?", re.ASCII)


class BadMask(ValueError):
    """A sentence."""


@dataclass(frozen=True, slots=True)
class Mask:
    """Four sets of octets; an answer counts if each octet is in its set."""

    octets: tuple[frozenset[int], ...]

    @classmethod
    def parse(cls, text: str) -> Mask:
        """From ``127.0.0.[2..11;14]``. Raises BadMask."""
        fields = [found[1] if found[1] is not None else found[2] for found in _FIELD.finditer(text)]
        if len(fields) != 4 or len(_FIELD.sub("", text)) != 3:
            raise BadMask(f"{text} must be four numbers, such as 127.0.0.2 or 127.0.0.[2..11;14]")
        mask = cls(tuple(_octets(field, text) for field in fields))
        if mask.octets[0] != {127}:
            raise BadMask(f"{text} must begin with 127.")
        if 255 in mask.octets[1]:
            raise BadMask(f"{text}: 127.255.x.x is how lists say that something is wrong with the query")
        if all(octet in some for octet, some in zip(REFUSED.packed, mask.octets, strict=True)):
            raise BadMask(f"{text}: 127.0.0.1 is how lists say that they refuse the query")
        return mask

    def holds(self, answer: IPv4Address) -> bool:
        """Whether *answer* fits."""
        return all(octet in some for octet, some in zip(answer.packed, self.octets, strict=True))


def _octets(field: str, text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(";"):
        numbers = _RANGE.fullmatch(part)
        if not numbers:
            raise BadMask(f"{text}: {part!r} is no number and no range such as 2..11")
        first, last = int(numbers[1]), int(numbers[2] or numbers[1])
        if not first <= last <= 255:
            raise BadMask(f"{text}: {part} is no range of octets")
        found |= set(range(first, last + 1))
    return frozenset(found)


def parsed(answers: Iterable[str]) -> list[IPv4Address]:
    """Those that are IPv4 addresses."""
    found = []
    for text in answers:
        try:
            found.append(IPv4Address(text))
        except AddressValueError:
            continue
    return found


def is_error(answer: IPv4Address) -> bool:
    """Whether a list says that something is wrong, or somebody else answers in its place."""
    return answer not in LISTS or answer in ERRORS or answer == REFUSED
