"""config - the tables that the delivery programs read: [lda] and what is below it, [log], [journal] and hostname.

tamis-lda itself reads no configuration unless it has to deliver without an engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lda.quota.config import QuotaConfig
from lda.script_config import SieveConfig
from lda.store import MaildirConfig
from lda.submit import SubmitConfig
from lda.trace import HeadersConfig
from lda.users.config import UsersConfig
from tamis.config.load import Loader
from tamis.config.log import LogConfig
from tamis.config.schema import Duration, FileMode, Network, Size, option
from tamis.journal import JournalConfig
from tamis.srs import SrsConfig

PROGRAM = "tamis-lmtpd"


@dataclass(frozen=True, slots=True, kw_only=True)
class LdaConfig:
    """Where messages come in, as whom they are delivered, and how long that may take."""

    handoff: str = option("unix:/run/tamis/lda.sock", "where tamis-lda finds us; empty: nowhere")
    listen: tuple[str, ...] = option((), "LMTP: unix:/path, inet:127.0.0.1:24, inet:[::1]:24")
    mode: FileMode = option(FileMode(0o660), "permissions of UNIX sockets")
    group: str = option("", "group of UNIX sockets; empty: ours")
    user: str = option(
        "", "whom to become when started by root, such as vmail; empty: stay root and deliver as each user"
    )
    parser: str = option(
        "tamis",
        "when we deliver as each user: whom those become who talk to peers, so that no parser is root",
    )
    handoff_from: tuple[str, ...] = option(
        (), "accounts whose tamis-lda may deliver to everybody, as root's and ours; others only to themselves"
    )
    room_from: tuple[str, ...] = option(
        (),
        "accounts that may ask whether users have room, such as tamis-policyd's; besides those of handoff_from",
    )
    xclient_from: tuple[Network, ...] = option(
        (), "peers that may say by XCLIENT for whom they speak, besides those on UNIX sockets"
    )
    workers: int = option(0, "processes; 0: one for each core", at_least=0, at_most=256)
    metrics: str = option("127.0.0.1:9419", "where Prometheus finds us; empty: nowhere")
    deadline: Duration = option(
        Duration(120.0), "one delivery; then the message is deferred", at_least=0.1, at_most=500
    )
    drain: Duration = option(
        Duration(20.0), "to finish deliveries when stopped, below TimeoutStopSec", at_least=0
    )
    idle: Duration = option(Duration(300.0), "hang up on a peer that is silent for so long", at_least=1)
    connections: int = option(4096, "LMTP peers at once, of each worker", at_least=1, at_most=1_000_000)
    deliveries: int = option(16, "deliveries at once, of each worker", at_least=1, at_most=1000)
    max_message: Size = option(
        Size(0), "larger messages bounce; 0: the MTA's own limit is enough", at_least=0
    )
    users: UsersConfig = option(UsersConfig(), "who the recipients are")
    maildir: MaildirConfig = option(MaildirConfig(), "their mail stores")
    quota: QuotaConfig = option(QuotaConfig(), "how much mail they may have")
    sieve: SieveConfig = option(SieveConfig(), "their scripts")
    submit: SubmitConfig = option(SubmitConfig(), "how redirected messages and replies are sent")
    srs: SrsConfig = option(SrsConfig(), "senders of redirected messages, rewritten")
    headers: HeadersConfig = option(HeadersConfig(), "fields put on top of stored messages")

    def problems(self) -> Iterator[str]:
        """An engine that nobody can reach."""
        if not self.handoff and not self.listen:
            yield "listen: neither an LMTP socket nor a hand-off socket is named"
        if self.sieve.programs.offered and self.sieve.programs.total >= self.deadline:
            yield "sieve.programs.total: must be below deadline, or messages are given to programs again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The tables of tamis.toml that the delivery programs read."""

    hostname: str = option("", "our name in greetings and file names; empty: the system's")
    log: LogConfig = option(LogConfig(), "what to log and where")
    journal: JournalConfig = option(JournalConfig(), "decision records for tamis trace")
    lda: LdaConfig = option(LdaConfig(), "the delivery engine")


def assemble(loader: Loader) -> Root:
    """What the delivery programs read from the file."""
    return loader.build(Root)
