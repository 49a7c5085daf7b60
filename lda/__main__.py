"""__main__ - tamis-lmtpd, the resident delivery engine; and the same delivery for a tamis-lda without one.

This is where the delivery programs' objects are built from their configuration.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from mmap import mmap
from pathlib import Path

from lda.config import SOURCES, Root, assemble
from lda.deliver import Delivery
from lda.engine import Engine
from lda.envelope import from_handoff
from lda.lmtp.server import Limits
from lda.local import Settings
from lda.privilege import Forker, Runner
from lda.users import Source
from lda.users.chain import Users
from lda.users.system import Myself, my_name
from tamis import metrics
from tamis.config.command import answer, config_path, configuration, make_parser
from tamis.config.load import default_path, load
from tamis.config.log import LogConfig
from tamis.errors import ConfigError, TempFail
from tamis.journal import Journal
from tamis.log import Log
from tamis.mail.message import Message
from tamis.outcome import EX_CONFIG, EX_OK, exit_status, from_exception, sentence
from tamis.service import (
    Activation,
    Life,
    Notifier,
    accept_on,
    drop_privileges,
    open_listeners,
    run,
    start_metrics,
)
from tamis.verdict import Verdict, defer

PROGRAM = "tamis-lmtpd"

DESCRIPTION = (
    "Deliver mail into Maildir through users' Sieve scripts: by LMTP, and what tamis-lda hands over."
)
EXAMPLES = """\
master.cf, one tamis-lda a message, which hands over to this engine (and delivers by itself where there is none):

    tamis unix - n n - - pipe flags=DORXhu user=vmail null_sender=
      argv=/opt/tamis/bin/tamis-lda --engine=/run/tamis/lda.sock --config=/etc/tamis/tamis.toml
      --queue-id=${queue_id} --sender=${sender} --original-recipient=${original_recipient} --user=${recipient}

main.cf, either way:

    virtual_transport = tamis
    tamis_destination_recipient_limit = 1

    virtual_transport = lmtp:unix:tamis/lmtp

SIGHUP reads the configuration again and keeps the old one if the new one is bad; SIGTERM finishes what is being
delivered and ends.
"""


def settings_of(root: Root) -> Settings:
    """What the part that runs as the user needs to know."""
    return Settings(
        hostname=root.hostname or socket.gethostname(),  # in file names; getfqdn may wait for DNS
        recipient_delimiter=root.lda.users.recipient_delimiter,
        maildir=root.lda.maildir,
        sieve=root.lda.sieve,
        submit=root.lda.submit,
        headers=root.lda.headers,
    )


def make_delivery(
    root: Root, threads: Executor, forker: Forker | None, log: Log, journal: Journal, myself: bool = False
) -> Delivery:
    """Delivery by one configuration. *myself*: for whoever runs us, whatever the databases say."""
    config = root.lda
    sources: list[Source] = (
        [Myself(os.environ)] if myself else [SOURCES[n](config.users) for n in config.users.sources]
    )
    users = Users(sources, config.users.recipient_delimiter)
    return Delivery(users, Runner(threads, settings_of(root), forker), log, journal, config.deadline)


def main() -> int:
    """Serve until told to stop; the exit status. A bad configuration is 78, before any listener opens."""
    args = make_parser(PROGRAM, DESCRIPTION, EXAMPLES).parse_args()
    if (status := answer(args, assemble)) is not None:
        return status
    root = configuration(args, assemble)
    log = Log.open(root.log, PROGRAM)
    try:
        return _serve(root, config_path(args), log)
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        return EX_CONFIG


def _serve(root: Root, path: Path, log: Log) -> int:
    config = root.lda
    stays_root = os.geteuid() == 0 and not config.user
    forker = Forker.start(config.deadline) if stays_root else None  # before there are listeners or threads
    activation, notifier = Activation.from_environment(), Notifier.from_environment()
    listen = partial(
        open_listeners,
        log=log,
        activation=activation,
        mode=config.mode,
        owner=config.user,
        group=config.group,
    )
    lmtp = listen("lmtp", config.listen)
    handoff = listen("handoff", [config.handoff] if config.handoff else [])
    drop_privileges(config.user, allow_root=True)
    metrics.declare_program("lda")
    port = start_metrics(config.metrics, log)
    journal = Journal.open(root.journal, log)
    threads = ThreadPoolExecutor(config.deliveries, "delivery")
    program = _Program(
        root=root,
        path=path,
        threads=threads,
        forker=forker,
        journal=journal,
        lmtp=lmtp,
        handoff=handoff,
    )
    try:
        run(program.live, log, notifier)
    finally:
        threads.shutdown(cancel_futures=True)
        journal.close()
        if port:
            port.close()
        if forker:
            forker.close()
    return EX_OK


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    """What has been opened before the event loop runs."""

    root: Root
    path: Path
    threads: Executor
    forker: Forker | None
    journal: Journal
    lmtp: tuple[socket.socket, ...]
    handoff: tuple[socket.socket, ...]

    async def live(self, life: Life) -> None:
        """Serve until it is time to stop."""
        config = self.root.lda
        limits = Limits(
            hostname=self.root.hostname or socket.getfqdn(),
            idle_s=config.idle,
            max_connections=config.connections,
            max_message_bytes=config.max_message,
        )
        engine = Engine(self._delivery(self.root, life.log), limits, self.threads, life.log)

        async def reload() -> None:
            new = load(self.path, assemble)
            engine.replace(self._delivery(new, life.log))
            life.log.configure(new.log, PROGRAM)

        servers = [*await accept_on(self.lmtp, engine.lmtp), *await accept_on(self.handoff, engine.handoff)]
        await life.until_stopped(reload, f"{len(servers)} listeners")
        for server in servers:
            server.close()
        await life.drain(engine.drain(), config.drain)

    def _delivery(self, root: Root, log: Log) -> Delivery:
        return make_delivery(root, self.threads, self.forker, log, self.journal)


def deliver_here(
    config: str, told: dict[str, str], message: bytes | mmap, start: int, why: str
) -> tuple[int, str]:
    """Deliver one message in this process, for tamis-lda: exit status and text.

    told: the envelope as in a hand-off; without a user it is the one who runs us. start: where the message begins.
    why: what is wrong with the engine, if anything is."""
    myself = "user" not in told
    try:
        root = load(config or default_path(), assemble)
        told = told if "user" in told else {**told, "user": my_name()}
    except TempFail as exc:
        verdict = from_exception(exc)
    except ConfigError as exc:
        log = Log.open(LogConfig(), "tamis-lda", spare_stderr=False)
        log.error("configuration refused", problems=[str(problem) for problem in exc.problems])
        verdict = defer("4.3.5", "The configuration of the mail system has an error")
    else:
        forker = Forker.start(root.lda.deadline) if os.geteuid() == 0 else None
        whole = Message(message[start:] if start else message)
        verdict = asyncio.run(_deliver_here(root, told, whole, forker, myself=myself, why=why))
    return exit_status(verdict), sentence(verdict)


async def _deliver_here(
    root: Root, told: dict[str, str], message: Message, forker: Forker | None, *, myself: bool, why: str
) -> Verdict:
    log = Log.open(root.log, "tamis-lda", spare_stderr=False)
    if why:
        log.warning("no delivery engine, delivering without", error=why)
    journal = Journal.open(root.journal, log)
    with ThreadPoolExecutor(1) as threads:
        delivery = make_delivery(root, threads, forker, log, journal, myself)
        verdict = await delivery.deliver(from_handoff(told), message)
        await delivery.close()
    journal.close()
    return verdict


if __name__ == "__main__":
    sys.exit(main())
