"""address - where a scanner listens: as listeners of ours are written, or by name, for a container has no address
that lasts. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tamis.service.address import InetAddress, UnixAddress, parse_address

# With a letter in it: else it is an address, right or wrong.
_NAMED = re.compile(
    r"inet:(?=[0-9._-]*[A-Za-z])([A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,250}[A-Za-z0-9])?):([0-9]{1,5})"
)


@dataclass(frozen=True, slots=True)
class NamedAddress:
    """A TCP port of a host that is looked up at each connection."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"inet:{self.host}:{self.port}"


Address = UnixAddress | InetAddress | NamedAddress


def parse(text: str) -> Address:
    """The address in *text*. Raises ValueError with a sentence for the admin."""
    match = _NAMED.fullmatch(text)
    if match is None or match[1] == "localhost":
        return parse_address(text)
    if int(match[2]) > 65535:
        raise ValueError(f'the port must be a number up to 65535, not "{match[2]}"')
    return NamedAddress(match[1], int(match[2]))
