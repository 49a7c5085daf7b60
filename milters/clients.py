"""clients - whether a client of the MTA is one of ours. No look-ups."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_network

from tamis.config.schema import Network

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def within(client_address: str, networks: Iterable[Network]) -> bool:
    """Whether the address belongs to one of *networks*; IPv4-mapped ones are IPv4, ``unknown`` belongs nowhere."""
    try:
        client = ip_address(client_address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(client, IPv6Address) and client.ipv4_mapped:
        client = client.ipv4_mapped
    return any(client in network for network in networks)
