"""config - the tables that the policy daemon reads: its own, [log], [store], [journal], [dns] and hostname.

The checks are below ``[policyd.checks.NAME]``; `tamis.registry` reads those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policyd.checks import CHECKS
from policyd.checks.rules import Rules
from policyd.server import MIN_IDLE_S
from tamis.conditions.earlier import report_strangers
from tamis.config.load import Loader
from tamis.config.log import LogConfig
from tamis.config.schema import Duration, FileMode, option
from tamis.dns import DnsConfig
from tamis.journal import JournalConfig
from tamis.registry import Configured, configure_checks
from tamis.service import parse_address
from tamis.store.config import StoreConfig

PROGRAM = "tamis-policyd"
SPOOL = "unix:/var/spool/postfix/tamis/policyd"  # inside the directory that Postfix's chroot sees


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicydConfig:
    """Where Postfix finds us, as whom we run, and how long an answer may take."""

    listen: tuple[str, ...] = option((SPOOL,), "unix:/path, inet:127.0.0.1:10031, inet:[::1]:10031")
    mode: FileMode = option(FileMode(0o660), "permissions of UNIX sockets")
    group: str = option("postfix", "group of UNIX sockets")
    user: str = option("tamis", "whom to become after listening, when started by root; empty: nobody else")
    workers: int = option(
        1, "processes that serve the sockets; their counters are the store's", at_least=1, at_most=256
    )
    metrics: str = option("127.0.0.1:9417", "where Prometheus finds us; empty: nowhere")
    deadline: Duration = option(
        Duration(5.0),
        "all checks of a request together; well below the timeout in main.cf",
        at_least=0.01,
        at_most=90,
    )
    idle: Duration = option(
        Duration(3600.0), "hang up on a peer that is silent for so long", at_least=MIN_IDLE_S
    )
    connections: int = option(
        8192, "peers at once, of each worker; each smtpd process is one", at_least=1, at_most=1_000_000
    )

    def problems(self) -> Iterator[str]:
        """Contradictions among the options."""
        if not self.listen:
            yield "listen: must name at least one socket"
        for spec in self.listen:
            if fault := _fault(spec):
                yield f"listen: {fault}"
        if self.metrics and (fault := _fault(f"inet:{self.metrics}")):
            yield f"metrics: {fault}"


def _fault(spec: str) -> str:
    """What is wrong with an address to listen on; "" for nothing."""
    try:
        parse_address(spec)
    except ValueError as exc:
        return str(exc)
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The tables of tamis.toml that the policy daemon reads."""

    hostname: str = option("", "our name in greetings and headers; empty: the system's")
    log: LogConfig = option(LogConfig(), "what to log and where")
    store: StoreConfig = option(StoreConfig(), "counters")
    journal: JournalConfig = option(JournalConfig(), "decision records for tamis trace")
    dns: DnsConfig = option(DnsConfig(), "lookups")
    policyd: PolicydConfig = option(PolicydConfig(), "the policy daemon")


def assemble(loader: Loader) -> tuple[Root, tuple[Configured, ...]]:
    """What the policy daemon reads from the file: its tables, and its checks in their order."""
    root, checks = loader.build(Root), configure_checks(loader, "policyd.checks", CHECKS)
    rules = {one.label: one.check.rule if isinstance(one.check, Rules) else () for one in checks}
    named = {label: [rule.when.check for rule in some] for label, some in rules.items()}
    report_strangers(loader, ("policyd", "checks"), named)
    return root, checks
