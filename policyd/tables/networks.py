"""networks - sets of networks that are searched in as many steps as they have prefix lengths, and cidr_table(5)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

from policyd.tables.lines import BadLine
from policyd.tables.nodes import Entry, Found, Node, Parsed, negated, words
from policyd.tables.rule import Rule
from tamis.clients import Address, address

AnyNetwork = IPv4Network | IPv6Network


def network(text: str) -> AnyNetwork:
    """``192.0.2.0/24``, an address alone, or with a bracketed one. Raises BadLine.

    As in Postfix the bits behind the prefix must be zero: ``192.0.2.7/24`` is more often a slip than meant."""
    bare = text.replace("[", "").replace("]", "")
    try:
        return ip_network(bare)
    except ValueError as exc:
        raise BadLine(f"{text} is no network: {_reason(text, exc)}") from None


def partial(text: str) -> AnyNetwork | None:
    """The leading octets of an IPv4 network (``192.168`` is 192.168.0.0/16), or the leading groups of an IPv6 one,
    as access(5) has them; an address is a network of one. None for what is neither."""
    if found := address(text):
        return ip_network(found)
    octets = text.split(".")
    if len(octets) < 4 and all(octet.isdecimal() and int(octet) < 256 for octet in octets):
        return ip_network((".".join([*octets, "0", "0", "0"][:4]), 8 * len(octets)))
    groups = text.split(":")
    if 1 < len(groups) < 8 and "" not in groups:
        try:
            return ip_network((":".join(groups) + "::", 16 * len(groups)))
        except ValueError:
            return None
    return None


class Networks:
    """Networks with their rules and the order in which they were written."""

    def __init__(self, listed: Iterable[tuple[AnyNetwork, Rule]]) -> None:
        self._by_prefix: dict[tuple[int, int], dict[int, tuple[int, Rule]]] = {}
        for order, (net, rule) in enumerate(listed):
            host_bits = net.max_prefixlen - net.prefixlen
            same = self._by_prefix.setdefault((net.version, host_bits), {})
            same.setdefault(int(net.network_address) >> host_bits, (order, rule))

    def of(self, client: Address) -> list[tuple[int, int, Rule]]:
        """All that hold *client*: bits of their host part, order, rule."""
        number = int(client)
        return [
            (host_bits, *same[number >> host_bits])
            for (version, host_bits), same in self._by_prefix.items()
            if version == client.version and number >> host_bits in same
        ]

    def find(self, value: str) -> Found | None:
        """The one that was written first."""
        client = address(value)
        found = self.of(client) if client is not None else []
        return (min(found, key=lambda one: one[1])[2], ()) if found else None

    def nearest(self, value: str) -> Found | None:
        """The smallest."""
        client = address(value)
        found = self.of(client) if client is not None else []
        return (min(found, key=lambda one: one[0])[2], ()) if found else None


class CidrReader:
    """``network action``, ``!network action``, ``if network`` ... ``endif``."""

    most = 10_000_000

    def split(self, line: str) -> tuple[str, str]:
        return words(line)

    def pattern(self, text: str) -> Parsed:
        net = network(text.removeprefix("!"))

        def match(value: str) -> tuple[str, ...] | None:
            client = address(value)
            return () if client is not None and client in net else None

        return Parsed(negated(match) if text.startswith("!") else match)

    def gathered(self, nodes: list[tuple[str, Node]]) -> tuple[Node, ...]:
        """Neighbours that are plain networks become one index: a long list costs no more than a short one."""
        found: list[Node] = []
        plain: list[tuple[AnyNetwork, Rule]] = []
        for pattern, node in [*nodes, ("", None)]:
            if isinstance(node, Entry) and pattern[:1] != "!":
                plain.append((network(pattern), node.rule))
                continue
            if plain:
                found.append(Networks(plain))
                plain = []
            if node is not None:
                found.append(node)
        return tuple(found)


def _reason(text: str, exc: ValueError) -> str:
    if "has host bits set" in str(exc):
        return f"{ip_network(text, strict=False)} would be one"
    if text.endswith(".*"):
        octets = text.rstrip(".*").split(".")
        return f"write {'.'.join([*octets, '0', '0', '0'][:4])}/{8 * len(octets)}"
    return "write 192.0.2.0/24 or 2001:db8::/32"
