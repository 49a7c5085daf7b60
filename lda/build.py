"""build - the delivery programs' objects, made from their configuration; and one delivery without an engine."""

from __future__ import annotations

import asyncio
import os
import socket
from concurrent.futures import Executor, ThreadPoolExecutor
from mmap import mmap

from lda.config import Root, assemble
from lda.deliver import Delivery
from lda.envelope import from_handoff
from lda.forker import Forker
from lda.local import Settings
from lda.privilege import Runner
from lda.users.config import make_users
from lda.users.system import Myself, my_name
from tamis.config.load import default_path, load
from tamis.config.log import LogConfig
from tamis.errors import ConfigError, TempFail
from tamis.journal import Journal
from tamis.log import Log
from tamis.mail.message import Message
from tamis.outcome import exit_status, from_exception, sentence
from tamis.verdict import Verdict, defer


def settings_of(root: Root) -> Settings:
    """What the part that runs as the user needs to know."""
    return Settings(
        hostname=root.hostname or socket.gethostname(),  # in file names; getfqdn may wait for DNS
        recipient_delimiter=root.lda.users.recipient_delimiter,
        maildir=root.lda.maildir,
        quota=root.lda.quota,
        sieve=root.lda.sieve,
        submit=root.lda.submit,
        headers=root.lda.headers,
    )


def make_delivery(
    root: Root, threads: Executor, forker: Forker | None, log: Log, journal: Journal, myself: bool = False
) -> Delivery:
    """Delivery by one configuration. *myself*: for whoever runs us, whatever the databases say."""
    config = root.lda
    users = make_users(config.users, log, only=Myself(os.environ) if myself else None)
    return Delivery(
        users, Runner(threads, settings_of(root), forker, config.srs), log, journal, config.deadline
    )


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
        settings = settings_of(root)
        forker = Forker.start(root.lda.deadline, lambda: settings) if os.geteuid() == 0 else None
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
        envelope = from_handoff(told, message.headers, delivery.delimiter)
        verdict = await delivery.deliver(envelope, message)
        await delivery.close()
    journal.close()
    return verdict
