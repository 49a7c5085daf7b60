"""sources - what `tamis dmarc report` reads from the configuration of tamis-milter."""

from __future__ import annotations

import argparse
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tamis.auth.reports.report import Form
from tamis.cli import zone
from tamis.cli.programs import milter_obeys
from tamis.mta import Mta
from tamis.transaction import domain_of

if TYPE_CHECKING:
    from tamis.auth.psl import SuffixList
    from tamis.dns import Resolver
    from tamis.store.config import StoreConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Who we are in reports, where the numbers are, and how the mail goes out."""

    store: StoreConfig
    resolver: Resolver
    suffixes: SuffixList | None
    mta: Mta
    hostname: str
    organization: str
    sender: str
    email: str
    contact: str
    form: Form
    exclude: frozenset[str]
    keep_days: int

    @property
    def submitter(self) -> str:
        """Our domain."""
        return domain_of(self.sender)

    @property
    def discovery(self) -> str:
        """How policies are found, in the words of reports."""
        return "psl" if self.suffixes else "treewalk"


def site_of(args: argparse.Namespace) -> Site | None:
    """By -c and --dns; None where nothing is collected. Raises ConfigError."""
    from milters.checks.authenticate import Authenticate
    from milters.checks.dmarc import Dmarc
    from milters.dmarc_reports import KEEP_DAYS

    root, checks = milter_obeys(args.config)
    active = [each.check for each in checks if each.mode != "off"]
    collecting = [c.reports for c in active if isinstance(c, Dmarc) and c.reports.collect != "none"]
    if not collecting:
        return None
    config = collecting[0]
    authenticate = next(check for check in active if isinstance(check, Authenticate))
    hostname = root.hostname or socket.getfqdn()
    sender = config.sender or f"postmaster@{hostname}"
    return Site(
        store=root.store,
        resolver=zone.resolver(args.dns, args.config),
        suffixes=authenticate.suffixes(),
        mta=config.mta,
        hostname=hostname,
        organization=config.organization or hostname,
        sender=sender,
        email=config.email or sender,
        contact=config.contact,
        form=config.form,
        exclude=frozenset(config.exclude),
        keep_days=KEEP_DAYS - 1,
    )
