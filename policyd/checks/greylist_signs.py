"""greylist_signs - what is suspicious about a client, by what Postfix tells of it. No look-ups.

A mail server has a name that leads back to it, says it at HELO, and speaks ESMTP; the machines that spam is sent from
mostly lack one of these. No sign is proof: they decide who waits, not who is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policyd.checks.helo import is_name
from policyd.generic import looks_generic
from tamis.auth.psl import suffix_list
from tamis.clients import address
from tamis.config.schema import option
from tamis.transaction import Transaction

UNKNOWN = "unknown"  # Postfix's word for no name, and for a name that does not lead back


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """How much each sign weighs; 0 for not at all."""

    no_name: int = option(3, "the client has no name in reverse DNS", at_least=0)
    unconfirmed: int = option(2, "its name does not lead back to it", at_least=0)
    generic: int = option(2, "its name holds its address, or a word such as dynamic", at_least=0)
    helo: int = option(2, "HELO without a full name: an address, one word, nothing", at_least=0)
    foreign_helo: int = option(1, "HELO with a name of another organisation than its own name", at_least=0)
    no_esmtp: int = option(1, "it says HELO, not EHLO", at_least=0)
    no_tls: int = option(0, "it does not encrypt", at_least=0)

    def weigh(self, txn: Transaction) -> int:
        """The sum of the signs that *txn* shows."""
        return sum(getattr(self, sign) for sign in signs_of(txn))


def signs_of(txn: Transaction) -> Iterator[str]:
    """The names of the signs, as in `Signs`."""
    name, helo = txn.client_name.lower(), txn.helo_name.lower().rstrip(".")
    named = name not in {"", UNKNOWN}
    client = address(txn.client_address)
    if not named:
        yield "no_name" if txn.reverse_client_name in {"", UNKNOWN} else "unconfirmed"
    elif client is not None and looks_generic(client, name):
        yield "generic"
    if not is_name(helo) or "." not in helo:
        yield "helo"
    elif named and _organisation(helo) != _organisation(name):
        yield "foreign_helo"
    if txn.protocol_name == "SMTP":
        yield "no_esmtp"
    if not txn.attributes.get("encryption_protocol"):
        yield "no_tls"


def _organisation(name: str) -> str:
    return suffix_list().organizational(name.rstrip("."))
