"""generic - whether a host name was made for an address by a machine: it holds the address, or says dynamic.

A guess: a name with ``static`` or ``mail`` in it may be somebody's own, and is not called generic.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

_WORDS = re.compile(
    r"(?:^|[.\d_-])(?:dyn|dynamic|dynip|dhcp|dial|dialup|dialin|dsl|adsl|vdsl|xdsl|ppp|pppoe|pool|cable|catv|cpe"
    r"|ftth|fttb|docsis|broadband|wimax|hsd|mobile|lte|gprs|umts|customer|cust|residential|home|user|client)"
    r"(?=$|[.\d_-])",
    re.ASCII,
)
_OWN = re.compile(
    r"(?:^|[.\d_-])(?:static|mail|mx|smtp|relay|mta|outbound|out|vps|server|srv)(?=$|[.\d_-])", re.ASCII
)
_NUMBERS = re.compile(r"\d+", re.ASCII)


def looks_generic(client: IPv4Address | IPv6Address, name: str) -> bool:
    """Whether *name*, in small letters, is one for *client* that nobody chose. The registered domain's own two
    labels say nothing: ``dynamic.example`` may be a company."""
    host = ".".join(name.rstrip(".").split(".")[:-2])
    if not host or _OWN.search(host):
        return False
    return _WORDS.search(host) is not None or _holds(client, host)


def _holds(client: IPv4Address | IPv6Address, host: str) -> bool:
    """Whether *host* spells the address: octets in either order, hexadecimal, or one number after the other."""
    if client.version == 6:
        digits = f"{int(client):032x}"
        return digits[16:] in re.sub(r"[^0-9a-f]", "", host) or digits[16:][::-1] in re.sub(
            r"[^0-9a-f]", "", host
        )
    octets = [str(octet) for octet in client.packed]
    numbers = [number.lstrip("0") or "0" for number in _NUMBERS.findall(host)]
    if _follows(octets, numbers) or _follows(octets[::-1], numbers):
        return True
    if _follows(octets[1:], numbers) or _follows(octets[:0:-1], numbers):
        return True
    padded = "".join(f"{octet:03d}" for octet in client.packed)
    return f"{int(client):08x}" in host or padded in host


def _follows(some: list[str], numbers: list[str]) -> bool:
    return any(numbers[n : n + len(some)] == some for n in range(len(numbers) - len(some) + 1))
