"""config - the tables that the milter reads: its own, [log], [store], [journal], [dns] and hostname.

The checks are below ``[milter.checks.NAME]``; `tamis.registry` reads those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from milters.checks import CHECKS
from milters.checks.authenticate import Authenticate
from milters.checks.content import Content
from milters.checks.dmarc import Dmarc
from milters.checks.headers import Headers
from milters.checks.seal import Seal
from milters.checks.sign import Sign
from milters.quarantine.config import QuarantineConfig
from tamis.conditions.earlier import report_strangers
from tamis.config.load import Loader
from tamis.config.log import LogConfig
from tamis.config.schema import Duration, FileMode, option
from tamis.dns import DnsConfig
from tamis.journal import JournalConfig
from tamis.registry import Configured, configure_checks
from tamis.store.config import StoreConfig
from tamis.transaction import Stage

PROGRAM = "tamis-milter"
SPOOL = "unix:/var/spool/postfix/tamis/milter"  # inside the directory that Postfix's chroot sees


@dataclass(frozen=True, slots=True, kw_only=True)
class MilterConfig:
    """Where the MTA finds us, as whom we run, and how long a message may take."""

    listen: str = option(SPOOL, "unix:/path; inet:127.0.0.1:8891 costs 40 ms and more a message")
    transport: Literal["pymilter", "native"] = option(
        "pymilter", "what speaks the milter protocol: libmilter, or an event loop of our own, which is faster"
    )
    mode: FileMode = option(FileMode(0o660), "permissions of the UNIX socket")
    group: str = option("postfix", "group of the UNIX socket")
    user: str = option("tamis", "whom to become after listening, when started by root; empty: nobody else")
    workers: int = option(2, "processes that serve the socket", at_least=1, at_most=256)
    metrics: str = option("127.0.0.1:9418", "where Prometheus finds us; empty: nowhere")
    deadline: Duration = option(
        Duration(25.0),
        "all checks of a stage together; below milter_command_timeout (30s)",
        at_least=0.1,
        at_most=290,
    )
    drain: Duration = option(
        Duration(20.0), "when told to stop, sessions may take so long to end", at_least=0
    )
    quarantine: QuarantineConfig = option(
        QuarantineConfig(), "what becomes of messages that a check wants held"
    )

    def problems(self) -> Iterator[str]:
        """Contradictions among the options."""
        if not self.listen:
            yield "listen: must name a socket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The tables of tamis.toml that the milter reads."""

    hostname: str = option("", "our name in greetings and headers; empty: the system's")
    log: LogConfig = option(LogConfig(), "what to log and where")
    store: StoreConfig = option(StoreConfig(), "counters")
    journal: JournalConfig = option(JournalConfig(), "decision records for tamis trace")
    dns: DnsConfig = option(DnsConfig(), "lookups")
    milter: MilterConfig = option(MilterConfig(), "the milter")


def assemble(loader: Loader) -> tuple[Root, tuple[Configured, ...]]:
    """What the milter reads from the file: its tables, and its checks in their order."""
    root, checks = loader.build(Root), configure_checks(loader, "milter.checks", CHECKS)
    for label, earlier in _too_late(checks):
        loader.report(
            ("milter", "checks", label),
            f"comes after {earlier}, whose signature must cover what leaves: put it before",
        )
    for label, sentence in _without_facts(checks):
        loader.report(("milter", "checks", label), sentence)
    rules = {one.label: one.check.rule if isinstance(one.check, Content | Headers) else () for one in checks}
    named = {label: [rule.when.check for rule in some] for label, some in rules.items()}
    report_strangers(loader, ("milter", "checks"), named)
    return root, checks


_SHADOW = (
    'reports would tell what is not done in mode shadow: say reject = "pass" and quarantine = "pass"'
    ' instead, or reports.collect = "none"'
)


def _without_facts(checks: tuple[Configured, ...]) -> Iterator[tuple[str, str]]:
    """The dmarc checks that would know nothing, or tell reports what is not so."""
    known = False
    for label, check, mode in ((c.label, c.check, c.mode) for c in checks):
        known = known or (isinstance(check, Authenticate) and mode == "enforce")
        if not isinstance(check, Dmarc) or mode == "off":
            continue
        if not known:
            yield label, "knows nothing without a check authenticate in mode enforce: put that before"
        if mode == "shadow" and check.reports.collect != "none":
            yield label, _SHADOW


def _too_late(checks: tuple[Configured, ...]) -> Iterator[tuple[str, str]]:
    """The checks that come after one that signs, and the label of that."""
    signing = ""
    for configured in checks:
        if configured.mode == "off" or Stage.END_OF_MESSAGE not in configured.check.stages:
            continue
        if isinstance(configured.check, Sign | Seal):
            signing = signing or configured.label
        elif signing:
            yield configured.label, signing
