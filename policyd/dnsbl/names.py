"""names - what a list is asked about: the client's address, domains of the sender, of HELO and of reverse DNS."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Literal

from tamis.clients import Address, address, within
from tamis.config.schema import Network
from tamis.dns import Resolver
from tamis.errors import TempFail
from tamis.transaction import Transaction, domain_of

Subject = Literal["client", "sender", "helo", "reverse_name", "sender_ns", "sender_mx"]

MAX_HOSTS = 5  # name servers or exchangers of a sender; more would be an attack on the lists
# Many networks have hosts with these addresses: lists know nothing of them.
PRIVATE: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.168.0.0/16", "::/127", "fc00::/7", "fe80::/10"),
    )
)
UNKNOWN = "unknown"  # Postfix's word for no name


def reversed_address(client: Address) -> str:
    """The octets, or the nibbles, from last to first (RFC 5782 sections 2.1 and 2.4)."""
    return client.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")


async def asked_about(subject: Subject, txn: Transaction, dns: Resolver) -> list[str]:
    """What goes before the list's own name; nothing where there is nothing to ask about.

    An address is never asked of a list of domains: they answer it with an error code."""
    match subject:
        case "client":
            client = address(txn.client_address)
            return [reversed_address(client)] if client is not None and not within(client, PRIVATE) else []
        case "sender":
            return _domains(domain_of(txn.sender))
        case "helo":
            return _domains(txn.helo_name)
        case "reverse_name":
            names = (txn.client_name, txn.reverse_client_name)
            return _domains(next((name for name in names if name not in {"", UNKNOWN}), ""))
        case "sender_ns":
            return await _servers(domain_of(txn.sender), dns)
        case "sender_mx":
            return await _exchangers(domain_of(txn.sender), dns)


def _domains(*names: str) -> list[str]:
    """Those that are domain names, in small letters, each once."""
    small = (name.lower().rstrip(".") for name in names)
    return list(dict.fromkeys(name for name in small if _is_domain(name)))


def _is_domain(name: str) -> bool:
    labels = name.split(".")
    return (
        len(labels) > 1
        and len(name) <= 200  # the list's own name must fit behind it
        and name.isascii()
        and not labels[-1].isdigit()
        and all(0 < len(label) < 64 and label.replace("-", "").replace("_", "").isalnum() for label in labels)
    )


async def _servers(domain: str, dns: Resolver) -> list[str]:
    """Name servers of *domain*, or of the nearest parent that has some, but for top-level domains."""
    for name in _parents(domain):
        try:
            if found := await dns.names(name, "NS"):
                return _domains(*found[:MAX_HOSTS])
        except TempFail:
            return []
    return []


def _parents(domain: str) -> list[str]:
    labels = domain.split(".") if _domains(domain) else []
    return [".".join(labels[n:]) for n in range(min(3, len(labels) - 1))]


async def _exchangers(domain: str, dns: Resolver) -> list[str]:
    if not _domains(domain):
        return []
    try:
        return _domains(*(host for _, host in (await dns.exchanges(domain))[:MAX_HOSTS]))
    except TempFail:
        return []
