"""worker - one process of the delivery engine: takes connections from the shared listeners until told to stop.

Several of them use all cores. The death of the parent, whose pipe is our standard input, counts as SIGTERM.
"""

from __future__ import annotations

import pwd
import socket
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lda.build import make_delivery
from lda.config import PROGRAM, LdaConfig, Root, assemble
from lda.deliver import Delivery
from lda.engine import Engine
from lda.forker import Forker
from lda.lmtp.server import Limits
from tamis.config.load import load
from tamis.errors import ConfigError, Problem
from tamis.journal import Journal
from tamis.log import Log
from tamis.service import Life
from tamis.service.accept import Acceptor
from tamis.service.descriptors import room_for
from tamis.service.prefork import parent_watched, run_worker

# Files that may be open:
A_DELIVERY = 64  # folders, copies, locks, a spool file, a program's pipes
OTHERS = 256  # listeners, databases, hand-offs


@dataclass(frozen=True, slots=True, kw_only=True)
class Inherited:
    """Descriptors that the parent has opened. control: of the process that forks deliveries, -1 without one."""

    lmtp: tuple[int, ...]
    handoff: tuple[int, ...]
    control: int = -1

    def words(self) -> list[str]:
        """For the command line of a worker."""
        lmtp, handoff = (",".join(map(str, fds)) for fds in (self.lmtp, self.handoff))
        return [f"--inherited={lmtp}/{handoff}/{self.control}"]

    @classmethod
    def parse(cls, text: str) -> Inherited:
        """What `words` wrote, without the option's name."""
        lmtp, handoff, control = text.split("/")
        return cls(
            lmtp=tuple(map(int, filter(None, lmtp.split(",")))),
            handoff=tuple(map(int, filter(None, handoff.split(",")))),
            control=int(control),
        )


def work(root: Root, path: Path, inherited: Inherited, log: Log) -> bool:
    """Be a worker, to its end; whether that was its parent's. Raises ConfigError."""
    worker = Worker(root, path, inherited, log)
    try:
        return run_worker(worker.live, log)
    finally:
        worker.close()


class Worker:
    """What lives as long as the process."""

    def __init__(self, root: Root, path: Path, inherited: Inherited, log: Log) -> None:
        self._root = root
        self._path = path
        self._inherited = inherited
        self._log = log
        self._trusted, self._asking = peers_of(root.lda)
        self._journal = Journal.open(root.journal, log)
        self._threads = ThreadPoolExecutor(root.lda.deliveries, "delivery")
        self._forker = (
            Forker(socket.socket(fileno=inherited.control), root.lda.deadline)
            if inherited.control >= 0
            else None
        )

    async def live(self, life: Life) -> None:
        """Serve until it is time to stop."""
        config = self._root.lda
        reserved = config.deliveries * A_DELIVERY + OTHERS
        limits = Limits(
            hostname=self._root.hostname or socket.getfqdn(),
            idle_s=config.idle,
            max_connections=room_for(config.connections, reserved, self._log),
            max_message_bytes=config.max_message,
            trusted=config.xclient_from,
        )
        engine = Engine(
            self._delivery(self._root), limits, self._threads, self._log, self._trusted, self._asking
        )

        def obey(new: Root) -> None:
            engine.replace(self._delivery(new))
            self._log.configure(new.log, PROGRAM)

        acceptors = [
            Acceptor(map(_listener, self._inherited.lmtp), engine.lmtp, self._log),
            Acceptor(map(_listener, self._inherited.handoff), engine.handoff, self._log),
        ]
        with parent_watched(life):
            await life.until_stopped(lambda: load(self._path, assemble), obey, "worker")
        for acceptor in acceptors:
            acceptor.close()
        await life.drain(engine.drain(), config.drain)

    def _delivery(self, root: Root) -> Delivery:
        return make_delivery(root, self._threads, self._forker, self._log, self._journal)

    def close(self) -> None:
        """After the loop has ended."""
        self._threads.shutdown(cancel_futures=True)
        self._journal.close()


def peers_of(config: LdaConfig) -> tuple[frozenset[int], frozenset[int]]:
    """The uids of those who may deliver to everybody, and of those who may ask. Raises ConfigError."""
    return _uids(config.handoff_from, "handoff_from"), _uids(config.room_from, "room_from")


def _uids(names: Collection[str], option: str) -> frozenset[int]:
    found = set()
    for name in names:
        try:
            found.add(pwd.getpwnam(name).pw_uid)
        except KeyError:
            raise ConfigError([Problem("lda", 0, option, f'there is no user "{name}"')]) from None
    return frozenset(found)


def _listener(descriptor: int) -> socket.socket:
    return socket.socket(fileno=descriptor)
