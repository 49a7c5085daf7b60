"""keyed - tables of keys (texthash, and the sources of hash, btree, lmdb and cdb), searched as access(5) says: the
most specific key wins.

    names           mx.example.org   then its parents: example.org or .example.org, org or .org
    addresses       192.0.2.7        then its networks: 192.0.2, 192.0, 192; any 192.0.2.0/25
    mailboxes       user+x@example.org, user@example.org, example.org and its parents, user@; <> for the null sender
    pairs           of two mailboxes: user@example.org|friend@example.net, user@example.org|example.net, ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from ipaddress import ip_network

from policyd.tables.lines import BadLine, BadTable, logical_lines, split_entry
from policyd.tables.networks import AnyNetwork, Networks, network, partial
from policyd.tables.nodes import MAX_PROBLEMS, Found
from policyd.tables.rule import Author, Rule
from tamis.clients import address
from tamis.conditions.keys import mailboxes, names


class Kind(Enum):
    """What values look like."""

    CLIENT = "client"  # a name, or an address
    ADDRESS = "address"
    NAME = "name"
    MAILBOX = "mailbox"
    PAIR = "pair"
    EXACT = "exact"  # a key, and nothing that is derived from it


MAX_PAIRED = 24  # keys of each of a pair, for all are combined
ADDRESSES = frozenset({Kind.CLIENT, Kind.ADDRESS})


class Keyed:
    """Keys with their rules."""

    def __init__(self, kind: Kind, names: dict[str, Rule], networks: list[tuple[AnyNetwork, Rule]]) -> None:
        self._kind = kind
        self._names = names
        self._networks = Networks(networks)

    def find(self, value: str) -> Found | None:
        """The most specific."""
        if self._kind in ADDRESSES and (found := self._networks.nearest(value)):
            return found
        for key in _DERIVED[self._kind](value) if self._names else ():
            if rule := self._names.get(key):
                return rule, ()
        return None


def _networks(value: str) -> Iterator[str]:
    """An address, then all its networks in both ways of writing them, the smallest first."""
    client = address(value)
    if client is None:
        return
    yield str(client)
    four = client.version == 4
    step, mark = (8, ".") if four else (16, ":")
    parts = str(client).split(".") if four else [f"{int(part, 16):x}" for part in client.exploded.split(":")]
    for prefix in range(client.max_prefixlen, -1, -1):
        yield str(ip_network((int(client), prefix), strict=False))
        if 0 < prefix < client.max_prefixlen and prefix % step == 0:
            yield mark.join(parts[: prefix // step])


def _exact(value: str) -> Iterator[str]:
    yield value.lower()


def _pairs(value: str) -> Iterator[str]:
    """Whatever is said of the first as it is written, before what is said of its domain."""
    first, _, second = value.partition("|")
    others = _few(second)
    for one in _few(first):
        yield from (f"{one}|{other}" for other in others)


def _few(mailbox: str) -> tuple[str, ...]:
    """The keys of a mailbox; of a name of very many labels, which a client may make up, those in the middle go."""
    keys = tuple(mailboxes(mailbox))
    half = MAX_PAIRED // 2
    return keys if len(keys) <= MAX_PAIRED else keys[:half] + keys[-half:]


def _clients(value: str) -> Iterator[str]:
    return _networks(value) if address(value) else names(value)


_DERIVED: dict[Kind, Callable[[str], Iterator[str]]] = {
    Kind.CLIENT: names,  # its networks have an index
    Kind.ADDRESS: names,
    Kind.NAME: names,
    Kind.MAILBOX: mailboxes,
    Kind.PAIR: _pairs,
    Kind.EXACT: _exact,
}


def keys_of(kind: Kind, value: str) -> Iterator[str]:
    """All the keys under which a store may have something for *value*, the most specific first."""
    return _clients(value) if kind in ADDRESSES else _DERIVED[kind](value)


def read_keyed(text: str, kind: Kind, author: Author) -> Keyed:
    """A whole file. Raises BadTable with all that is wrong."""
    problems: list[str] = []
    listed: list[tuple[str, Rule]] = []
    actions: dict[str, tuple[int, str]] = {}
    for number, line in logical_lines(text):
        try:
            key, action = split_entry(line)
            checked(key, kind)
            listed.append((key, author.rule(number, action)))
            _once(actions, key.lower(), number, action)
        except BadLine as exc:
            problems.append(f"{number}: {exc}")
    if problems:
        raise BadTable(problems[:MAX_PROBLEMS])
    return keyed(kind, listed)


def _once(actions: dict[str, tuple[int, str]], key: str, number: int, action: str) -> None:
    """Raises BadLine for a key that has another action already; the same line twice does no harm."""
    line, earlier = actions.setdefault(key, (number, action))
    if earlier != action:
        raise BadLine(f"{key} has another action at line {line}")


def keyed(kind: Kind, listed: list[tuple[str, Rule]]) -> Keyed:
    """From keys that are all good."""
    names: dict[str, Rule] = {}
    networks: list[tuple[AnyNetwork, Rule]] = []
    for key, rule in listed:
        if net := checked(key, kind):
            networks.append((net, rule))
        else:
            names.setdefault(key.lower(), rule)
    return Keyed(kind, names, networks)


def _may_be_name(key: str) -> bool:
    """Top-level domains have letters, and ``192.0.2.1-9`` is a range that somebody meant."""
    return ":" not in key and any(letter.isalpha() for letter in key.rstrip(".").rpartition(".")[2])


def checked(key: str, kind: Kind) -> AnyNetwork | None:
    """The network that a key stands for; None for a name. Raises BadLine for a key that nothing can ever match."""
    if kind in ADDRESSES:
        if net := partial(key):
            return net
        if kind is Kind.ADDRESS or "/" in key or not _may_be_name(key):
            return network(key)
    if kind is Kind.PAIR and not all(key.partition("|")):
        raise BadLine(f"{key} must be two, with a | between them: recipient|sender")
    if kind not in {Kind.MAILBOX, Kind.PAIR, Kind.EXACT} and "@" in key:
        raise BadLine(f"{key} is a mail address, and names of hosts are looked up here")
    if "*" in key:
        raise BadLine(f"{key}: only a regular expression, /.../, matches a part of a name")
    return None
