"""clients - who is asking: the address of a client, and whether it is one of ours. No look-ups."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from tamis.config.schema import Network
from tamis.transaction import Transaction

Address = IPv4Address | IPv6Address

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def address(text: str) -> Address | None:
    """*text* as an address, without zone, IPv4-mapped ones as IPv4; None for ``unknown`` and the like."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def within(client: Address | None, networks: Iterable[Network]) -> bool:
    """Whether *client* belongs to one of *networks*."""
    return client is not None and any(client in network for network in networks)


def is_ours(txn: Transaction, networks: Iterable[Network]) -> bool:
    """Whether the client has logged in or stands in *networks*: such a one has nothing to prove.

    Neither can be claimed: both values are Postfix's own, none is the remote side's."""
    return bool(txn.sasl_username) or within(address(txn.client_address), networks)
