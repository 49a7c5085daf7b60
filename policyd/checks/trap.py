"""trap - addresses that nobody gave to anybody: whoever writes to one is refused for a while, whomever it writes to.

    [policyd.checks.trap]
    recipients = ["john.old@example.org", "trap.example.org"]

Only programs that make addresses up, or took them from where no person reads them, write to a trap. The client is
remembered by its address (IPv6: its /64), in the store, so by all processes. A bounce is no reason: spam with the trap
as its sender comes back to it from servers that have done nothing. Logins and own networks are not asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from policyd import answers
from policyd.answers import WORDS, Answer
from policyd.exempt import Exempt, exempt
from policyd.tables.keyed import Kind as Keys
from tamis.check import Services
from tamis.clients import LOOPBACK, is_ours
from tamis.config.schema import Duration, Network, option
from tamis.transaction import Stage, Transaction
from tamis.verdict import PASS, Verdict

_STAGES = (Stage.RCPT, Stage.DATA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trap:
    """Its fields are its options: ``[policyd.checks.trap]``."""

    recipients: tuple[str, ...] = option(
        (), 'the traps: "john@example.org", "trap.example.org" with all below, regular expressions in slashes'
    )
    remember: Duration = option(
        Duration(86400.0), "a client that wrote to one is refused for so long", at_least=60
    )
    trap: str = option("reject", "what is said of the trap itself: " + WORDS)
    trapped: str = option("reject", "what is said to a client that wrote to one, at RCPT and DATA: " + WORDS)
    exempt_clients: tuple[str, ...] = option(
        (),
        'never remembered: networks, confirmed names, "example.org" with all below, regular expressions in slashes',
    )
    ipv4_prefix: int = option(32, "clients this close are one client", at_least=8, at_most=32)
    ipv6_prefix: int = option(64, "clients this close are one client", at_least=16, at_most=128)
    trusted_networks: tuple[Network, ...] = option(LOOPBACK, "clients that are not asked, beside logins")

    name: ClassVar[str] = "trap"
    stages: ClassVar[frozenset[Stage]] = frozenset(_STAGES)
    _traps: Exempt = field(init=False, repr=False, compare=False)
    _clients: Exempt = field(init=False, repr=False, compare=False)
    _trap: Answer = field(init=False, repr=False, compare=False)
    _trapped: Answer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        traps = exempt(Keys.MAILBOX, "recipients", self.recipients, "recipients", ())
        clients = exempt(Keys.CLIENT, "exempt_clients", self.exempt_clients, "exempt_clients", ())
        object.__setattr__(self, "_traps", traps)
        object.__setattr__(self, "_clients", clients)
        object.__setattr__(self, "_trap", answers.answer(self.trap, "1.1", "No such user"))
        told = "{client_address} wrote to an address that nobody has"
        object.__setattr__(self, "_trapped", answers.answer(self.trapped, "7.1", told))

    def problems(self) -> Iterator[str]:
        """Words that cannot be said, and entries that can never match."""
        if not self.recipients:
            yield "recipients: must name at least one trap"
        for key in ("trap", "trapped"):
            yield from answers.problems(key, getattr(self, key), _STAGES, answers.PLACEHOLDERS)
        yield from self._traps.faults
        yield from self._clients.faults

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """TempFail from the store is not caught: `on_error` is the admin's."""
        client = txn.client_network(self.ipv4_prefix, self.ipv6_prefix)
        if not client or is_ours(txn, self.trusted_networks):
            return PASS
        name, now = f"trap:{client}", services.clock()
        exempted = self._clients.holds(txn.client_name, txn.client_address)
        if self._traps.holds(txn.recipient):
            if txn.sender and not exempted:
                await services.store.greylist_client(name, now, 1, self.remember)
            return self._trap.verdict(answers.values_of(txn), "trap")
        if exempted or not (await services.store.greylist_client(name, now)).passes:
            return PASS
        return self._trapped.verdict(answers.values_of(txn), "trapped")
