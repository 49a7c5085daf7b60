"""dmarc_reports - the options about DMARC aggregate reports, and what a message adds to them (RFC 9990).

    [milter.checks.dmarc.reports]
    collect = "rua"
    organization = "Example"
    sender = "dmarc-reports@example.org"

Collected in the store, sent by `tamis dmarc report`. No message waits for a store that is away, and none fails for it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Literal

from tamis import metrics
from tamis.auth.dmarc_local import Decided
from tamis.auth.facts import Facts
from tamis.auth.reports.collected import Heading, book_of, day_of, encode, row_of
from tamis.auth.reports.report import Form
from tamis.check import Services
from tamis.config.schema import Duration, option
from tamis.errors import TempFail
from tamis.mta import Mta
from tamis.store.tallies import Bounds
from tamis.transaction import Transaction, domain_of

KEEP_DAYS = 10
DAY_S = 86400.0

_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportsConfig:
    """What is collected, in which bounds, and how reports go out."""

    collect: Literal["none", "rua", "all"] = option(
        "none", "count results in the store: for domains that ask for reports (rua), or for all with a policy"
    )
    max_domains: int = option(5000, "domains a day; others are not counted", at_least=1, at_most=100_000)
    max_rows: int = option(1000, "different rows a domain and day", at_least=1, at_most=100_000)
    max_all_rows: int = option(
        50_000, "different rows a day; some 500 bytes each", at_least=10, at_most=10_000_000
    )
    organization: str = option("", "our name in reports; empty: hostname")
    sender: str = option("", "address of reports, in From and envelope; empty: postmaster@ our hostname")
    email: str = option("", "whom to write about a report; empty: sender")
    contact: str = option("", "more about whom to contact, such as a URL")
    form: Form = option(
        "rfc9990", "the XML: of RFC 9990, or of RFC 7489 for receivers that know nothing else"
    )
    exclude: tuple[str, ...] = option((), "domains that get no report, such as our own")
    server: str = option("inet:127.0.0.1:25", "an MTA that takes the mail over SMTP; empty: command")
    command: tuple[str, ...] = option(
        ("/usr/sbin/sendmail", "-i", "-f", "{sender}", "--", "{recipient}"),
        "the program that takes it otherwise",
    )
    timeout: Duration = option(Duration(60.0), "for one mail", at_least=0.1, at_most=600)

    def problems(self) -> Iterator[str]:
        """Addresses that are none, and places that cannot be reached."""
        for key in ("sender", "email"):
            value = getattr(self, key)
            if value and not _ADDRESS.fullmatch(value):
                yield f"{key}: {value!r} is no mail address"
        for key in ("organization", "contact"):
            if not getattr(self, key).isprintable():
                yield f"{key}: must be one line of text"
        yield from self.mta.problems()

    @property
    def mta(self) -> Mta:
        """Where the mail is handed in."""
        return Mta(self.server, self.command, self.timeout)

    @property
    def bounds(self) -> Bounds:
        """Of a day."""
        return Bounds(self.max_domains, self.max_rows, self.max_all_rows, KEEP_DAYS * DAY_S)

    def wants(self, facts: Facts) -> bool:
        """Whether a message is told of: its domain has a policy that holds, and asks."""
        fact = facts.dmarc
        if self.collect == "none" or fact.record is None or fact.result not in {"pass", "fail", "temperror"}:
            return False
        return self.collect == "all" or bool(fact.record.rua)


async def collect(
    config: ReportsConfig, txn: Transaction, facts: Facts, done: str, decided: Decided, services: Services
) -> None:
    """Count the message. *done*: none, pass, quarantine, reject."""
    source = _address(txn.client_address)
    record = facts.dmarc.record
    if not source or record is None or not config.wants(facts):
        return
    row = row_of(facts, source, domain_of(txn.sender), done, decided.reasons)
    heading = Heading.of(record, facts.dmarc.organizational_domain)
    now = services.clock()
    with contextlib.suppress(TempFail, ValueError):  # the store counts its failures; the mail goes on
        taken = await services.store.tally(
            book_of(day_of(now)), record.domain, heading.encode(), encode(row), config.bounds, now
        )
        if not taken:
            metrics.count_dmarc_unreported()


def _address(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)
