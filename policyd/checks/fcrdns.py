"""fcrdns - forward-confirmed reverse DNS: has the client a name, does the name lead back to it, is it its own?

Postfix looks both up already and says so in client_name and reverse_client_name: what it confirmed is believed.
Its ``unknown`` may also mean that DNS did not answer, so before it counts it is looked up here: a failing server
is then a failure of the check (`on_error`), and never a refusal. Logins and own networks are not asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from policyd import answers
from policyd.answers import WORDS, Answer
from policyd.generic import looks_generic
from tamis.check import Services
from tamis.clients import LOOPBACK, Address, address, is_ours
from tamis.config.schema import Network, option
from tamis.patterns import BadPattern, Pattern, compiled
from tamis.transaction import Stage, Transaction
from tamis.verdict import PASS, Verdict

MAX_NAMES = 5  # of one address; more would be an attack on our resolver
UNKNOWN = "unknown"  # Postfix's word for no name

# RFC 7372 section 3.3: x.7.25 reverse DNS validation failed.
SENTENCES: dict[str, tuple[str, str]] = {
    "none": ("7.25", "{client_address} has no name in reverse DNS"),
    "mismatch": ("7.25", "The name {name} of {client_address} does not lead back to it"),
    "generic": ("7.25", "{name} is a name for a dynamic address, not for a mail server"),
}
PLACEHOLDERS = (*answers.PLACEHOLDERS, "name")

_STAGES = (Stage.RCPT,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fcrdns:
    """Its fields are its options: ``[policyd.checks.fcrdns]``."""

    none: str = option("reject", "no name at all: " + WORDS)
    mismatch: str = option("pass", "no name of it leads back to the client: " + WORDS)
    generic: str = option(
        "pass", "a confirmed name that holds the address, or words such as dynamic: " + WORDS
    )
    generic_patterns: tuple[str, ...] = option((), "regular expressions (RE2) of more generic names")
    static_patterns: tuple[str, ...] = option((), "regular expressions of names that are not generic")
    trusted_networks: tuple[Network, ...] = option(LOOPBACK, "clients that are not asked, beside logins")

    name: ClassVar[str] = "fcrdns"
    stages: ClassVar[frozenset[Stage]] = frozenset(_STAGES)
    _answers: dict[str, Answer] = field(init=False, repr=False, compare=False)
    _generic: tuple[Pattern, ...] = field(init=False, repr=False, compare=False)
    _static: tuple[Pattern, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        made = {key: answers.answer(getattr(self, key), *words) for key, words in SENTENCES.items()}
        object.__setattr__(self, "_answers", made)
        object.__setattr__(self, "_generic", _good(self.generic_patterns))
        object.__setattr__(self, "_static", _good(self.static_patterns))

    def problems(self) -> Iterator[str]:
        """Words that cannot be said, and patterns that are none."""
        for key in SENTENCES:
            yield from answers.problems(key, getattr(self, key), _STAGES, PLACEHOLDERS)
        for key, patterns in (
            ("generic_patterns", self.generic_patterns),
            ("static_patterns", self.static_patterns),
        ):
            for pattern in patterns:
                try:
                    compiled(pattern)
                except BadPattern as exc:
                    yield f"{key}: {pattern!r}: {exc}"

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """One finding, or none. DNS that does not answer is a failure, and `on_error` is the admin's."""
        client = address(txn.client_address)
        if client is None or is_ours(txn, self.trusted_networks):
            return PASS
        finding, name = await self._finding(client, txn, services)
        if not finding:
            return PASS
        values = answers.values_of(txn) | {"name": name}
        return self._answers[finding].verdict(values, finding)

    async def _finding(
        self, client: Address, txn: Transaction, services: Services
    ) -> tuple[Literal["", "none", "mismatch", "generic"], str]:
        """What is wrong, and the name that it is wrong with."""
        name = txn.client_name
        if name in {"", UNKNOWN}:
            names = await services.dns.names(client.reverse_pointer, "PTR")
            if not names:
                return "none", ""
            name = await _confirmed(client, names[:MAX_NAMES], services)
            if not name:
                return "mismatch", names[0]
        return ("generic", name) if self._is_generic(client, name.lower()) else ("", name)

    def _is_generic(self, client: Address, name: str) -> bool:
        if any(pattern.fits(name) for pattern in self._static):
            return False
        return looks_generic(client, name) or any(pattern.fits(name) for pattern in self._generic)


async def _confirmed(client: Address, names: tuple[str, ...], services: Services) -> str:
    """The first of *names* that leads back; "" for none. Raises TempFail where none does and one is not answered."""
    kind: Literal["A", "AAAA"] = "A" if client.version == 4 else "AAAA"
    questions = (services.dns.addresses(name, kind) for name in names)
    heard: list[Any] = await asyncio.gather(*questions, return_exceptions=True)
    for name, answer in zip(names, heard, strict=True):
        if not isinstance(answer, BaseException) and client in {address(text) for text in answer}:
            return name
    for answer in heard:
        if isinstance(answer, BaseException):
            raise answer
    return ""


def _good(patterns: tuple[str, ...]) -> tuple[Pattern, ...]:
    """Those that can be compiled: the others are problems, and the configuration does not load."""
    found = []
    for pattern in patterns:
        try:
            found.append(compiled(pattern))
        except BadPattern:
            continue
    return tuple(found)
