"""config - the tables that the delivery programs read: [lda] and what is below it, [log], [journal] and hostname.

tamis-lda itself reads no configuration unless it has to deliver without an engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lda.mailboxes import MaildirConfig
from lda.scripts import SieveConfig
from lda.submit import SubmitConfig
from lda.trace import HeadersConfig
from lda.users import Source
from lda.users.auth_userdb import AuthUserdb, AuthUserdbConfig
from lda.users.passwd_file import PasswdFile, PasswdFileConfig
from lda.users.static import Static, StaticConfig
from lda.users.system import System, SystemConfig
from tamis.config.load import Loader
from tamis.config.log import LogConfig
from tamis.config.schema import Duration, FileMode, Size, option
from tamis.journal import JournalConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersConfig:
    """Who the recipients are: the databases, in the order in which they are asked."""

    sources: tuple[str, ...] = option(("auth_userdb",), "auth_userdb, passwd_file, system, static")
    recipient_delimiter: str = option(
        "+", "characters of which the first in a local part begins its extension"
    )
    auth_userdb: AuthUserdbConfig = option(AuthUserdbConfig(), "Dovecot's users, whatever database it has")
    passwd_file: PasswdFileConfig = option(PasswdFileConfig(), "a file in Dovecot's passwd-file format")
    system: SystemConfig = option(SystemConfig(), "the accounts of this machine")
    static: StaticConfig = option(StaticConfig(), "users by template")

    def problems(self) -> Iterator[str]:
        """Databases that are none."""
        if not self.sources:
            yield "sources: must name at least one database"
        for name in self.sources:
            if name not in SOURCES:
                yield f"sources: unknown database {name!r}; known: {', '.join(SOURCES)}"


SOURCES: Mapping[str, Callable[[UsersConfig], Source]] = {
    "auth_userdb": lambda config: AuthUserdb(config.auth_userdb),
    "passwd_file": lambda config: PasswdFile(config.passwd_file),
    "system": lambda config: System(config.system),
    "static": lambda config: Static(config.static),
}


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
    metrics: str = option("127.0.0.1:9419", "where Prometheus finds us; empty: nowhere")
    deadline: Duration = option(
        Duration(120.0), "one delivery; then the message is deferred", at_least=0.1, at_most=500
    )
    drain: Duration = option(
        Duration(20.0), "to finish deliveries when stopped, below TimeoutStopSec", at_least=0
    )
    idle: Duration = option(Duration(300.0), "hang up on a peer that is silent for so long", at_least=1)
    connections: int = option(4096, "LMTP peers at once", at_least=1, at_most=1_000_000)
    deliveries: int = option(16, "deliveries at once", at_least=1, at_most=1000)
    max_message: Size = option(
        Size(0), "larger messages bounce; 0: the MTA's own limit is enough", at_least=0
    )
    users: UsersConfig = option(UsersConfig(), "who the recipients are")
    maildir: MaildirConfig = option(MaildirConfig(), "their mail stores")
    sieve: SieveConfig = option(SieveConfig(), "their scripts")
    submit: SubmitConfig = option(SubmitConfig(), "how redirected messages and replies are sent")
    headers: HeadersConfig = option(HeadersConfig(), "fields put on top of stored messages")

    def problems(self) -> Iterator[str]:
        """An engine that nobody can reach."""
        if not self.handoff and not self.listen:
            yield "listen: neither an LMTP socket nor a hand-off socket is named"


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
