"""keys - the keys under which a name or an address is found in a list, and lists of networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network, IPv6Network

from tamis.clients import Address

MAX_NAME_CHARS = 255  # RFC 1035 section 2.3.4; of a longer one the parents are looked up


def whole(value: str) -> Iterator[str]:
    """A text is found as it is."""
    if value:
        yield value


def names(value: str) -> Iterator[str]:
    """A host name: itself, each parent, and each parent with a dot for what is below it."""
    name = value.lower().rstrip(".")[-MAX_NAME_CHARS:]
    if not name:
        return
    yield name
    while "." in name:
        name = name.partition(".")[2]
        yield "." + name
        yield name


def mailboxes(value: str) -> Iterator[str]:
    """A mail address: itself, without its extension, its domain and the parents of that, and ``user@``."""
    mailbox = value.lower()
    local, at, domain = mailbox.rpartition("@")
    if not at:
        yield mailbox
        return
    plain = local.partition("+")[0] or local
    yield mailbox
    yield f"{plain}@{domain}"
    yield from names(domain)
    yield f"{local}@"
    yield f"{plain}@"


def networks(held: list[IPv4Network | IPv6Network]) -> Callable[[Address | None], bool]:
    """Whether an address is in one of them: by family and prefix length, so that a long list costs no more than a short
    one."""
    by_prefix: dict[tuple[int, int], set[int]] = {}
    for network in held:
        bits = network.max_prefixlen - network.prefixlen
        by_prefix.setdefault((network.version, bits), set()).add(int(network.network_address) >> bits)
    rows = tuple((version, bits, frozenset(heads)) for (version, bits), heads in by_prefix.items())

    def within(client: Address | None) -> bool:
        if client is None:
            return False
        number, family = int(client), client.version
        for version, bits, heads in rows:  # noqa: SIM110 - any() makes a generator for each request
            if version == family and number >> bits in heads:
                return True
        return False

    return within
