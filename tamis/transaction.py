"""transaction - one SMTP transaction as known so far, in Postfix's words. Frozen; no I/O.

Empty string and 0 mean "not known", as in the policy protocol (SMTPD_POLICY_README). Every value but
client_address, server_* and sasl_* comes from the remote side and is hostile: it is bounded by the protocol
room that read it and escaped where it is written.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tamis.auth.facts import Facts
    from tamis.mail.message import Message
    from tamis.verdict import Edit, Verdict

_NO_ATTRIBUTES: Mapping[str, str] = MappingProxyType({})


class Stage(Enum):
    """Where in the SMTP session a question is asked; values are Postfix's protocol_state."""

    CONNECT = "CONNECT"
    HELO = "HELO"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    END_OF_MESSAGE = "END-OF-MESSAGE"
    VRFY = "VRFY"
    ETRN = "ETRN"


@dataclass(slots=True)
class Findings:
    """What the checks before this one found: written by the pipeline alone, read by checks.

    score: the sum of theirs. results: by the check's label, the kind of its verdict and the reason, ``pass`` and
    ``softfail``. edits: what they want changed, in order, while `Transaction.message` is as received. A check in shadow
    mode leaves nothing here. A program that makes one transaction of another, as the
    milter does from stage to stage, takes its findings along."""

    score: float = 0.0
    tags: set[str] = field(default_factory=set)
    results: dict[str, tuple[str, str]] = field(default_factory=dict)
    facts: Facts | None = None
    edits: list[Edit] = field(default_factory=list)

    def add(self, label: str, verdict: Verdict) -> None:
        """Put down what the check *label* says."""
        self.results[label] = (verdict.kind.value, verdict.reason)
        self.score += verdict.score
        self.tags.update(verdict.tags)
        self.edits += verdict.edits
        if verdict.facts is not None:
            self.facts = verdict.facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """What is known at one stage. *recipient* is the one being asked about (RCPT), *recipients* all accepted
    ones (milter, end of message), *mailers* what the MTA would deliver to each of them by, such as ``smtp``; *sender*
    is the envelope's, "" for the null sender."""

    client_address: str = ""
    client_name: str = ""
    reverse_client_name: str = ""
    helo_name: str = ""
    protocol_name: str = ""
    sender: str = ""
    recipient: str = ""
    recipients: tuple[str, ...] = ()
    mailers: tuple[str, ...] = ()
    recipient_count: int = 0
    queue_id: str = ""
    message_id: str = ""
    instance: str = ""
    size_bytes: int = 0
    sasl_username: str = ""
    sasl_method: str = ""
    policy_context: str = ""
    message: Message | None = None
    attributes: Mapping[str, str] = field(default_factory=lambda: _NO_ATTRIBUTES, repr=False)
    findings: Findings = field(default_factory=Findings, repr=False, compare=False)

    def client_network(self, ipv4_prefix: int = 24, ipv6_prefix: int = 64) -> str:
        """The client's network, ``192.0.2.0/24``: neighbours are one client. "" if the address is no IP."""
        try:
            address = ipaddress.ip_address(self.client_address)
        except ValueError:
            return ""
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        prefix = ipv4_prefix if address.version == 4 else ipv6_prefix
        return str(ipaddress.ip_network((address, prefix), strict=False))


def domain_of(address: str) -> str:
    """The lower-case part after the last ``@``; "" without one (the null sender, a bare local part)."""
    _local, at, domain = address.rpartition("@")
    return domain.lower() if at else ""
