"""config - the tables that the milter reads: its own, [log], [store], [journal], [dns] and hostname.

The checks are below ``[milter.checks.NAME]``; `tamis.registry` reads those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from milters.checks import CHECKS
from tamis.config.load import Loader
from tamis.config.log import LogConfig
from tamis.config.schema import Duration, FileMode, option
from tamis.dns import DnsConfig
from tamis.journal import JournalConfig
from tamis.registry import Configured, configure_checks
from tamis.store.config import StoreConfig

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
    return loader.build(Root), configure_checks(loader, "milter.checks", CHECKS)
