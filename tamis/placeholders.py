"""placeholders - ``{name}`` in the words of an admin, and what stands there instead.

Values come from the remote side: they are cut and cleaned, and never looked into for placeholders of their own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from tamis.outcome import clean
from tamis.transaction import Transaction

MAX_VALUE_CHARS = 100
ENVELOPE = ("sender", "client_address", "client_name", "helo_name", "sasl_username")

_PLACEHOLDER = re.compile(r"\{(\w+)\}", re.ASCII)


def envelope(txn: Transaction) -> dict[str, str]:
    """The values of `ENVELOPE`."""
    return {
        "sender": txn.sender or "<>",
        "client_address": txn.client_address,
        "client_name": txn.client_name,
        "helo_name": txn.helo_name,
        "sasl_username": txn.sasl_username,
    }


def names_in(text: str) -> frozenset[str]:
    """The placeholders in *text*."""
    return frozenset(_PLACEHOLDER.findall(text))


def without(text: str) -> str:
    """*text* without its placeholders."""
    return _PLACEHOLDER.sub("", text)


def misfilled(text: str, known: Collection[str], beside: str = "") -> Iterator[str]:
    """What is wrong with the placeholders in *text*, of which *known* are fit: a sentence each. beside: what stands
    there too and is never filled in."""
    for name in sorted(names_in(text).difference(known)):
        yield f"{{{name}}} is no placeholder; known are {', '.join(sorted(known))}"
    if not {"{", "}"}.isdisjoint(without(text + beside)):
        yield "holds a brace that belongs to no placeholder"


def filled(text: str, values: Mapping[str, str], most: int = MAX_VALUE_CHARS) -> str:
    """*text* with *values*, cut to *most* characters and cleaned, in place of its placeholders; ``-`` for an empty or
    unknown one."""
    return _PLACEHOLDER.sub(lambda found: clean(values.get(found[1], ""), most).strip() or "-", text)
