"""antivirus - asks clamd whether a message holds malware, and does what the configuration says of that signature.

The message goes to clamd over its socket, piece by piece as it was spooled, so clamd needs no right to read files of
ours and may run elsewhere. What clamd does not answer is a failure (`on_error`), never a clean message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import ClassVar, Literal

from milters.scanners import clamd, servers
from milters.scanners.clamd import Scan
from milters.scanners.marks import forged
from milters.scanners.servers import Order, Patience, Servers
from tamis.check import Services
from tamis.clients import address, within
from tamis.config.schema import Duration, Network, Size, option
from tamis.dns import Resolver
from tamis.mail.message import Message
from tamis.transaction import Stage, Transaction
from tamis.verdict import AddHeader, Edit, Kind, Verdict

SCANNED, STATUS = "X-Virus-Scanned", "X-Virus-Status"
TAG = "virus"

Found = Literal["reject", "hold", "discard", "tag", "pass"]

_KINDS = {"reject": Kind.REJECT, "hold": Kind.HOLD, "discard": Kind.DISCARD, "defer": Kind.DEFER}
_OURS = frozenset({SCANNED.lower(), STATUS.lower()})
_EMPTY = Message(b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Antivirus:
    """Its fields are its options: ``[milter.checks.antivirus]``."""

    servers: tuple[str, ...] = option(
        ("unix:/run/clamav/clamd.ctl",),
        'where clamd listens: "unix:/path", "inet:127.0.0.1:3310", "inet:clamd.example.org:3310"',
    )
    order: Order = option("first", "which server: the first that answers, or each in its turn")
    connect_timeout: Duration = option(
        Duration(2.0), "for a connection to a server", at_least=0.05, at_most=60
    )
    timeout: Duration = option(
        Duration(20.0), "for an answer, all servers together; below [milter] deadline", at_least=0.1,
        at_most=290,
    )  # fmt: skip
    found: Found = option(
        "reject", 'what malware means: "reject", "hold", "discard", "tag" (X-Virus-Status alone), "pass"'
    )
    signatures: dict[str, Found] = option(
        {},
        'what else certain signatures mean, by pattern: "Heuristics.*" = "hold"; the first that fits counts',
    )
    max_size: Size = option(
        Size(25 << 20), "what is larger is not sent to clamd; at most its StreamMaxLength", at_least=1
    )
    too_large: Literal["pass", "hold", "defer", "reject"] = option(
        "pass", "what a message means that is larger, or more than clamd takes"
    )
    status_header: bool = option(True, "write X-Virus-Status: Clean, Infected (NAME), Not-Scanned (reason)")
    scanned_header: bool = option(False, "write X-Virus-Scanned too, with the name of this host")
    trusted_networks: tuple[Network, ...] = option((), "clients whose mail is not asked about")

    name: ClassVar[str] = "antivirus"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.END_OF_MESSAGE})
    _servers: Servers = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        patience = Patience(self.connect_timeout, self.timeout)
        made = Servers("clamd", servers.fit(self.servers), self.order, patience)
        object.__setattr__(self, "_servers", made)

    def problems(self) -> Iterator[str]:
        """Addresses that are none."""
        yield from servers.problems("servers", self.servers)

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """Raises TempFail where no clamd has an answer."""
        message = txn.message or _EMPTY
        if within(address(txn.client_address), self.trusted_networks):
            return Verdict(Kind.PASS)
        removals = forged(message.headers, _OURS.__contains__)
        scan = Scan(too_large=True)
        if message.size_bytes <= self.max_size:
            scan = await self._servers.ask(clamd.instream(message.raw), services.log)
        return self._verdict(scan, removals, services.hostname)

    def _verdict(self, scan: Scan, removals: tuple[Edit, ...], hostname: str) -> Verdict:
        if scan.too_large:
            edits = (*removals, *self._marks("Not-Scanned (too large)", hostname))
            return _consequence(self.too_large, "Message is too large to be scanned", "too_large", edits)
        if not scan.signature:
            return Verdict(Kind.PASS, edits=(*removals, *self._marks("Clean", hostname)))
        action = self._action(scan.signature)
        edits = (*removals, *self._marks(f"Infected ({scan.signature})", hostname))
        tags = () if action == "pass" else (TAG,)
        return _consequence(
            action, f"Malware found: {scan.signature}", f"virus:{scan.signature}", edits, tags
        )

    def _action(self, signature: str) -> Found:
        fits = (action for pattern, action in self.signatures.items() if fnmatchcase(signature, pattern))
        return next(fits, self.found)

    def _marks(self, status: str, hostname: str) -> Iterator[Edit]:
        if self.status_header:
            yield AddHeader(STATUS, status, at_top=False)
        if self.scanned_header:
            yield AddHeader(SCANNED, f"clamd at {hostname}", at_top=False)

    async def self_test(self, dns: Resolver) -> list[tuple[str, str]]:
        """Whether each server answers."""
        del dns
        return await self._servers.pinged(clamd.ping())


def _consequence(
    action: str, text: str, reason: str, edits: tuple[Edit, ...], tags: tuple[str, ...] = ()
) -> Verdict:
    status = {"reject": "5.7.1", "defer": "4.7.1"}.get(action, "")
    kind = _KINDS.get(action, Kind.PASS)
    return Verdict(kind, status, text if kind is not Kind.PASS else "", reason, edits, tags=tags)
