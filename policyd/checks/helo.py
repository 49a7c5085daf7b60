"""helo - the name at HELO or EHLO: is it one, is it ours, does it exist, does it lead to the client?

Each question is an option, ``pass`` switches it off. A client that says many names one after the other is a program
that makes them up; that question alone is the store's. RFC 5321 section 4.1.4 forbids to refuse mail only because the
name does not lead to the client: that question is off by default. Logins and own networks are not asked.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from policyd import answers
from policyd.answers import WORDS, Answer
from tamis.check import Services
from tamis.clients import LOOPBACK, address, is_ours
from tamis.config.schema import Duration, Network, option
from tamis.store.accounts import Sighting
from tamis.transaction import Stage, Transaction
from tamis.verdict import PASS, Kind, Verdict

MAX_NAME_CHARS = 253  # RFC 1035 section 2.3.4

# Question: status and sentence where an option says no more than defer or reject (RFC 5321 section 3.6.2: 5.5.2).
SENTENCES: dict[str, tuple[str, str]] = {
    "syntax": ("5.2", "The name at HELO is none"),
    "address": ("5.2", "An address at HELO stands in brackets"),
    "unqualified": ("5.2", "The name at HELO has no domain"),
    "own_name": ("7.1", "You are not {helo_name}: that is us"),
    "literal": ("7.1", "HELO wants a name, not an address"),
    "literal_mismatch": ("7.1", "You are {client_address}, not {helo_name}"),
    "unresolvable": ("7.27", "There is no {helo_name} in DNS"),
    "mismatch": ("7.1", "{helo_name} is not the name of {client_address}"),
    "many_names": ("7.1", "{client_address} says too many names at HELO"),
}

_STAGES = (Stage.RCPT,)
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Helo:
    """Its fields are its options: ``[policyd.checks.helo]``."""

    syntax: str = option("reject", "no host name and no address literal: " + WORDS)
    address: str = option("reject", "an address without brackets: " + WORDS)
    unqualified: str = option("pass", "a name without a dot: " + WORDS)
    own_name: str = option("reject", "our own name or address, from a stranger: " + WORDS)
    literal: str = option("pass", "any address literal, [192.0.2.1]: " + WORDS)
    literal_mismatch: str = option("reject", "an address literal that is not the client's: " + WORDS)
    unresolvable: str = option("pass", "a name without A, AAAA and MX: " + WORDS)
    mismatch: str = option("pass", "a name whose addresses are not the client's: " + WORDS)
    many_names: str = option("pass", "more names than names_at_most from one client: " + WORDS)
    names_at_most: int = option(5, "different names of a client in names_within", at_least=1, at_most=1000)
    names_within: Duration = option(
        Duration(3600.0), "over how long names are counted", at_least=60, at_most=30 * 86400
    )
    own_names: tuple[str, ...] = option(
        (), 'more names of ours, beside hostname: "example.org", or ".example.org" for all below'
    )
    trusted_networks: tuple[Network, ...] = option(LOOPBACK, "clients that are not asked, beside logins")

    name: ClassVar[str] = "helo"
    stages: ClassVar[frozenset[Stage]] = frozenset(_STAGES)
    _answers: dict[str, Answer] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        made = {key: answers.answer(getattr(self, key), *words) for key, words in SENTENCES.items()}
        object.__setattr__(self, "_answers", made)

    def problems(self) -> Iterator[str]:
        """Words that cannot be said, and names that can never be met."""
        for key in SENTENCES:
            yield from answers.problems(key, getattr(self, key), _STAGES, answers.PLACEHOLDERS)
        for name in self.own_names:
            if not is_name(name.removeprefix(".")):
                yield f"own_names: {name!r} is no host name"

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """The first objection. DNS that does not answer is a failure, and `on_error` is the admin's."""
        if is_ours(txn, self.trusted_networks):
            return PASS
        passes: list[Verdict] = []
        found = list(self._seen(txn, services.hostname))
        if self._answers["many_names"].objects and await self._says_many(txn, services):
            found.append("many_names")
        found += await self._looked_up(txn, services) if not found and self._asks_dns else []
        for key in found:
            verdict = self._answers[key].verdict(answers.values_of(txn), key)
            if verdict.kind is not Kind.PASS:
                return verdict
            passes.append(verdict)
        return answers.together(passes, found[0]) if found else PASS

    async def _says_many(self, txn: Transaction, services: Services) -> bool:
        """Whether this client has said too many names; counts this one. Raises TempFail from the store."""
        client = txn.client_network(32, 64)
        if not client or not txn.helo_name:
            return False
        most, within = self.names_at_most + 1, self.names_within
        name = Sighting("names", txn.helo_name.lower().rstrip("."), within, within, most)
        conduct = await services.store.watch(f"helo:{client}", [name], services.clock())
        return conduct.counts[0].distinct > self.names_at_most

    @property
    def _asks_dns(self) -> bool:
        return self._answers["unresolvable"].objects or self._answers["mismatch"].objects

    def _seen(self, txn: Transaction, hostname: str) -> Iterator[str]:
        """What the name itself shows, gravest first."""
        name = txn.helo_name
        ours = address(txn.attributes.get("server_address", ""))
        if name.startswith("[") and name.endswith("]"):
            claimed = address(name[1:-1].removeprefix("IPv6:").removeprefix("ipv6:"))
            if claimed is None:
                yield "syntax"
                return
            client = address(txn.client_address)
            if claimed == ours and claimed != client:
                yield "own_name"
            if claimed != client:
                yield "literal_mismatch"
            yield "literal"
        elif bare := address(name):
            yield "own_name" if bare == ours and bare != address(txn.client_address) else "address"
        elif not is_name(name):
            yield "syntax"
        elif self._is_own(name.lower().rstrip("."), hostname):
            yield "own_name"
        elif "." not in name.rstrip("."):
            yield "unqualified"

    def _is_own(self, name: str, hostname: str) -> bool:
        if name == hostname.lower():
            return True
        return any(
            name == own.lower() if own[:1] != "." else name.endswith(own.lower()) for own in self.own_names
        )

    async def _looked_up(self, txn: Transaction, services: Services) -> list[str]:
        """What DNS says of it. Raises TempFail where an answer is missing that could change the result."""
        name, client = txn.helo_name, address(txn.client_address)
        dns = services.dns
        questions = (dns.addresses(name, "A"), dns.addresses(name, "AAAA"), dns.exchanges(name))
        heard: tuple[Any, ...] = await asyncio.gather(*questions, return_exceptions=True)
        ipv4, ipv6, exchanges = ([] if isinstance(one, BaseException) else list(one) for one in heard)
        if client in {address(text) for text in ipv4 + ipv6}:
            return []
        exists = bool(ipv4 or ipv6 or exchanges)
        for one in heard if not exists or self._answers["mismatch"].objects else ():
            if isinstance(one, BaseException):
                raise one
        return ["mismatch"] if exists else ["unresolvable"]


def is_name(text: str) -> bool:
    """Whether *text* could be a host: letters, digits, hyphens and, for hosts have them, underscores.

    A last label of digits only would be an address (RFC 1123 section 2.1)."""
    labels = text.rstrip(".").split(".")
    return (
        len(text) <= MAX_NAME_CHARS
        and all(_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdigit()
    )
