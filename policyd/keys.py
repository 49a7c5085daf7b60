"""keys - by what a limit counts: attributes of a transaction as one bounded, unambiguous word.

The word is part of a key in the store. Most values come from the remote side, so what is long, or could be
taken for another combination, goes in as a digest; the rest stays readable for an admin who looks at it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Literal

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
]

KEYS: dict[KeyName, Callable[[Transaction], str]] = {
    "sasl_username": lambda txn: txn.sasl_username,
    "sasl_domain": lambda txn: domain_of(txn.sasl_username),
    "sender": lambda txn: txn.sender,
    "sender_domain": lambda txn: domain_of(txn.sender),
    "recipient": lambda txn: txn.recipient,
    "recipient_domain": lambda txn: domain_of(txn.recipient),
    "client_address": lambda txn: txn.client_address,
    "client_network": lambda txn: txn.client_network(),
    "helo_name": lambda txn: txn.helo_name,
}

# What the remote side may leave empty at will: in a combination that must not lift the limit.
CHOSEN_BY_THE_CLIENT = frozenset({"sender", "sender_domain", "recipient", "recipient_domain", "helo_name"})
OF_ONE_RECIPIENT = frozenset({"recipient", "recipient_domain"})

_READABLE = re.compile(r"[!\"$-z~]{1,80}")  # not: "#" marks a digest, "{" and "}" a Redis slot, "|" parts
_NOTHING = "<>"


def identity(names: Sequence[KeyName], txn: Transaction) -> str:
    """Who is counted, lower case; "" for nobody: one of *names* has no value.

    In a combination an empty value that the client may choose counts as a value of its own."""
    if len(names) == 1:
        value = KEYS[names[0]](txn)
        return word(value) if value else ""
    words = []
    for name in names:
        value = KEYS[name](txn) or (_NOTHING if name in CHOSEN_BY_THE_CLIENT else "")
        if not value:
            return ""
        words.append(word(value))
    return "|".join(words)


def word(value: str) -> str:
    """*value* in lower case if it is short and printable, else ``#`` and its digest."""
    value = value.lower()
    return value if _READABLE.fullmatch(value) else f"#{digest(value)}"


def digest(*parts: str) -> str:
    """32 hexadecimal digits that stand for *parts*; no part can pose as two, for none holds a newline."""
    raw = "\n".join(parts).encode("utf-8", "surrogateescape")
    return blake2b(raw, digest_size=16).hexdigest()
