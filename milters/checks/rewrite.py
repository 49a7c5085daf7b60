"""rewrite - other recipients and another sender, in the envelope alone: copies that nobody sees, addresses without
+tags, aliases from a file, and SRS for what leaves with a sender that is not ours.

    [milter.checks.rewrite]
    copy_to = ["archive@example.org"]
    senders = ["@example.org"]

Several rewritings with different conditions are several tables with ``check = "rewrite"``. Recipients go through
SRS backwards, the delimiter, the aliases, in this order. docs/rewriting.md says what the MTA must know of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from milters import alias_file
from milters.addressed import PATTERNS, Addressed, matches
from milters.alias_file import Aliases
from milters.envelope import envelope
from tamis import srs
from tamis.check import Services
from tamis.config.schema import option
from tamis.srs import BadAddress, SrsConfig
from tamis.transaction import Stage, Transaction, domain_of
from tamis.verdict import PASS, AddRecipient, ChangeSender, Edit, RemoveRecipient, Verdict, passed, reject

MAX_COPIES = 20

_ADDRESS = re.compile(r"[^\s<>,\x00-\x1f\x7f]{1,255}@[^\s<>,@\x00-\x1f\x7f]{1,255}")
_REWRITTEN = re.compile(r"SRS[01][-+=]", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite(Addressed):
    """Its fields are its options: ``[milter.checks.rewrite]``."""

    copy_to: tuple[str, ...] = option(
        (), "addresses that get a copy, which neither sender nor recipients hear of"
    )
    delimiter: str = option("", 'such as "+": user+tag@domain becomes user@domain; empty: it stays')
    delimiter_domains: tuple[str, ...] = option((), f"recipients of whom the delimiter is known: {PATTERNS}")
    aliases: Path | None = option(None, "a file in the manner of virtual(5): recipients and what they become")
    srs: SrsConfig = option(SrsConfig(), "senders of messages that leave and are not ours, rewritten")
    leaving: tuple[str, ...] = option(
        ("smtp", "esmtp", "relay"),
        "transports of the MTA by which mail leaves, as it names them: {rcpt_mailer}",
    )

    table: Aliases = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "rewrite"

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", alias_file.read(self.aliases))

    @property
    def stages(self) -> frozenset[Stage]:
        """Forged addresses are refused where they are named."""
        return frozenset({Stage.END_OF_MESSAGE} | ({Stage.RCPT} if self.srs.domain else set()))

    def problems(self) -> Iterator[str]:
        """Addresses that are none, and tables that cannot be used."""
        yield from Addressed.problems(self)
        for address in self.copy_to:
            if not _ADDRESS.fullmatch(address):
                yield f"copy_to: {address!r} is no mail address"
        if len(self.copy_to) > MAX_COPIES:
            yield f"copy_to: more than {MAX_COPIES} addresses"
        if self.delimiter and (len(self.delimiter) > 1 or self.delimiter in "@<>,. "):
            yield "delimiter: must be one character, such as +"
        if self.delimiter and not self.delimiter_domains:
            yield "delimiter_domains: must say whose addresses have a delimiter"
        yield from (f"aliases: {problem}" for problem in self.table.problems)
        if self.srs.domain and not self.srs.local_domains:
            yield "srs.local_domains: must name the domains whose mail does not leave"

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """The edits, for the envelope alone."""
        now = services.clock()
        if txn.message is None:
            return self._named(txn.recipient, now)
        current = envelope(txn, txn.findings.edits)
        if not self.concerns(txn, current.sender, current.recipients):
            return PASS
        became = {
            each: self._became(each, now) if each in txn.recipients else (each,)
            for each in current.recipients
        }
        kept = [each for each, others in became.items() if each in others]
        there = {each.lower() for each in kept}
        added: dict[str, str] = {}
        for each in (one for others in became.values() for one in others if one.lower() not in there):
            added.setdefault(each.lower(), each)
        edits: list[Edit] = [RemoveRecipient(each) for each in became if each not in kept]
        edits += map(AddRecipient, added.values())
        if (sender := self._sender(current.sender, txn, [*kept, *added.values()], now)) != current.sender:
            edits.append(ChangeSender(sender))
        there.update(added)
        edits += (AddRecipient(each, silent=True) for each in self.copy_to if each.lower() not in there)
        return passed(*edits) if edits else PASS

    def _named(self, recipient: str, now: float) -> Verdict:
        """At RCPT: an address of ours that nobody here has written is none."""
        try:
            self._unsealed(recipient, now)
        except BadAddress as exc:
            return reject("5.1.1", f"This is no address here: {exc}", "srs")
        return PASS

    def _unsealed(self, recipient: str, now: float) -> str:
        """Whom a rewritten address stands for; any other address as it is. Raises BadAddress."""
        config = self.srs
        if (
            not config.domain
            or domain_of(recipient) != config.domain.lower()
            or not _REWRITTEN.match(recipient)
        ):
            return recipient
        original = srs.reverse(config, recipient, now)
        if not _ADDRESS.fullmatch(original):
            raise BadAddress("it stands for no address")
        return original

    def _became(self, recipient: str, now: float) -> tuple[str, ...]:
        try:
            address = self._unsealed(recipient, now)
        except (
            BadAddress
        ):  # refused at RCPT, unless the MTA has come by another way: then it is the MTA's to bounce
            return (recipient,)
        if address != recipient:
            return (address,)
        local, at, domain = recipient.rpartition("@")
        if self.delimiter and at and matches(recipient, self.delimiter_domains):
            address = f"{local.partition(self.delimiter)[0] or local}@{domain}"
        return self.table.expanded(address)

    def _sender(self, sender: str, txn: Transaction, recipients: Iterable[str], now: float) -> str:
        mailers = dict(zip(txn.recipients, txn.mailers, strict=False))
        if not self.srs.domain or not any(self._leaves(each, mailers.get(each, "")) for each in recipients):
            return sender
        return srs.forward(self.srs, sender, now)

    def _leaves(self, recipient: str, mailer: str) -> bool:
        """Whether mail for *recipient* goes to another host. Nobody knows the *mailer* of an address that is new."""
        domain = domain_of(recipient)
        return bool(domain) and not srs.is_ours(self.srs, domain) and (not mailer or mailer in self.leaving)
