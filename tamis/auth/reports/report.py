"""report - an aggregate report as data, ours and those of others. Pure.

Words are those of the XML. In a report that was read they are what somebody wrote: bounded, and printable or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Form = Literal["rfc9990", "rfc7489"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something else was done than the policy says: local_policy, mailing_list, trusted_forwarder,
    policy_test_mode, other."""

    kind: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """A DKIM signature and its result."""

    domain: str
    selector: str
    result: str


@dataclass(frozen=True, slots=True)
class Sender:
    """An SPF result. scope: mfrom, helo."""

    domain: str
    result: str
    scope: str = "mfrom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What messages have in common. disposition: none, pass, quarantine, reject. dkim, spf: pass or fail, aligned."""

    source_ip: str
    disposition: str
    dkim: str
    spf: str
    header_from: str
    envelope_from: str = ""
    reasons: tuple[Reason, ...] = ()
    signatures: tuple[Signature, ...] = ()
    senders: tuple[Sender, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The policy of *domain*. testing: y, n; pct: 0 to 100, of RFC 7489; discovery: treewalk, psl. "" is unknown."""

    domain: str
    p: str
    sp: str = ""
    np: str = ""
    adkim: str = ""
    aspf: str = ""
    fo: str = ""
    testing: str = ""
    pct: str = ""
    discovery: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """begin, end: seconds since the epoch. records: each row with the number of its messages."""

    organization: str
    email: str
    report_id: str
    begin: int
    end: int
    published: Published
    records: tuple[tuple[Row, int], ...]
    contact: str = ""
    errors: tuple[str, ...] = ()
    generator: str = ""
