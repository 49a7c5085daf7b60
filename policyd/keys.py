"""keys - by what a limit counts: attributes of a transaction as one bounded, unambiguous word.

The word is part of a key in the store. Most values come from the remote side, so what is long, or could be
taken for another combination, goes in as a digest; the rest stays readable for an admin who looks at it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from policyd.geo import Geo
from tamis.transaction import Transaction, domain_of

KeyName = Literal[
    "sasl_username",
    "sasl_domain",
    "sender",
    "sender_domain",
    "recipient",
    "recipient_domain",
    "client_address",
    "client_network",
    "helo_name",
    "country",
    "asn",
    "policy_context",
    "everybody",
]
Reader = tuple[Callable[[Transaction], str], bool]  # what it reads, and whether the client may leave it empty

_KEYS: dict[KeyName, Callable[[Transaction], str]] = {
    "sasl_username": lambda txn: txn.sasl_username,
    "sasl_domain": lambda txn: domain_of(txn.sasl_username),
    "sender": lambda txn: txn.sender,
    "sender_domain": lambda txn: domain_of(txn.sender),
    "recipient": lambda txn: txn.recipient,
    "recipient_domain": lambda txn: domain_of(txn.recipient),
    "client_address": lambda txn: txn.client_address,
    "helo_name": lambda txn: txn.helo_name,
    "policy_context": lambda txn: txn.policy_context,
    "everybody": lambda _: "everybody",
}

# What the remote side may leave empty at will: in a combination that must not lift the limit.
CHOSEN_BY_THE_CLIENT = frozenset({"sender", "sender_domain", "recipient", "recipient_domain", "helo_name"})
OF_ONE_RECIPIENT = frozenset({"recipient", "recipient_domain"})
OF_GEOIP = frozenset({"country", "asn"})
UNKNOWN = "unknown"  # all addresses that no file knows are one country: to come from there lifts no limit

_READABLE = re.compile(r"[!\"$-z~]{1,80}")  # not: "#" marks a digest, "{" and "}" a Redis slot, "|" parts
_NOTHING = "<>"


def readers(
    names: Sequence[KeyName],
    ipv4_prefix: int = 24,
    ipv6_prefix: int = 64,
    geoip: Sequence[str] = (),
    delimiters: str = "",
) -> tuple[Reader, ...]:
    """What reads the attributes *names*; *delimiters* begin extensions of senders and recipients. A MaxMind file that
    cannot be opened is one of `geo_problems`."""
    keys = dict(_KEYS)
    if delimiters:
        keys["sender"] = lambda txn: mailbox(txn.sender, delimiters)
        keys["recipient"] = lambda txn: mailbox(txn.recipient, delimiters)
    keys["client_network"] = lambda txn: txn.client_network(ipv4_prefix, ipv6_prefix)
    if not OF_GEOIP.isdisjoint(names):
        known = [found for path in geoip if isinstance(found := _geo(path), Geo)]
        keys["country"] = lambda txn: next(
            filter(None, (g.country(txn.client_address) for g in known)), UNKNOWN
        )
        keys["asn"] = lambda txn: f"AS{next(filter(None, (g.asn(txn.client_address) for g in known)), 0)}"
    return tuple((keys.get(name, lambda _: ""), name in CHOSEN_BY_THE_CLIENT) for name in names)


def geo_problems(names: Iterable[str], geoip: Sequence[str]) -> Iterator[str]:
    """What is wrong with the MaxMind files that *names* need."""
    wanted = sorted(OF_GEOIP.intersection(names))
    if wanted and not geoip:
        yield f"geoip: must name a MaxMind file that knows {wanted[0]}"
    if geoip and not wanted:
        yield "geoip: is not needed, for neither country nor asn is looked at"
    for path in geoip:
        found = _geo(path)
        if isinstance(found, str):
            yield f"geoip: {found}"


def _geo(path: str) -> Geo | str:
    try:
        return Geo.open(Path(path))
    except ValueError as exc:
        return str(exc)


def identity(parts: Sequence[Reader], txn: Transaction) -> str:
    """Who is counted, lower case; "" for nobody: one of *parts* has no value.

    In a combination an empty value that the client may choose counts as a value of its own."""
    if len(parts) == 1:
        value = parts[0][0](txn)
        return word(value) if value else ""
    words = []
    for read, chosen in parts:
        value = read(txn) or (_NOTHING if chosen else "")
        if not value:
            return ""
        words.append(word(value))
    return "|".join(words)


def mailbox(address: str, delimiters: str) -> str:
    """*address* without its extension: whoever may choose one shall not have a counter for each."""
    local, at, domain = address.rpartition("@")
    ends = [end for mark in delimiters if (end := local.find(mark, 1)) > 0]
    return f"{local[: min(ends)]}{at}{domain}" if ends else address


def word(value: str) -> str:
    """*value* in lower case if it is short and printable, else ``#`` and its digest."""
    value = value.lower()
    return value if _READABLE.fullmatch(value) else f"#{digest(value)}"


def digest(*parts: str) -> str:
    """32 hexadecimal digits that stand for *parts*; no part can pose as two, for none holds a newline."""
    raw = "\n".join(parts).encode("utf-8", "surrogateescape")
    return blake2b(raw, digest_size=16).hexdigest()
