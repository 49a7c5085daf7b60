"""build - what a worker obeys, made from the configuration, at its start and again at each reload."""

from __future__ import annotations

import socket
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from milters.config import PROGRAM, Root, assemble
from milters.quarantine.keeper import Keeper
from tamis import registry
from tamis.check import Services
from tamis.config.load import load
from tamis.dns import DnsResolver
from tamis.journal import Journal
from tamis.log import Log
from tamis.pipeline import Pipeline
from tamis.registry import Configured
from tamis.store import open_store


class Program:
    """The configuration in use and what was built from it; `pipeline` is replaced by `obey`."""

    def __init__(self, path: Path, root: Root, checks: tuple[Configured, ...], log: Log) -> None:
        self._path = path
        self._log = log
        self._root = root
        self._store = open_store(root.store)
        self._dns = DnsResolver(root.dns)
        self.journal = Journal.open(root.journal, log)
        self._checks = checks
        self.pipeline = self._pipeline(root, checks)
        self.keeper = self._keeper(root)

    def _pipeline(self, root: Root, checks: tuple[Configured, ...]) -> Pipeline:
        services = Services(self._store, self._dns, time.time, root.hostname or socket.getfqdn(), self._log)
        return Pipeline("milter", checks, services, self._log, self.journal, root.milter.deadline)

    def _keeper(self, root: Root) -> Keeper:
        return Keeper(root.milter.quarantine, self._log, self.journal)

    def read(self) -> tuple[Root, tuple[Configured, ...]]:
        """What the file says now, for `obey`; takes as long as its tables are large. Raises ConfigError."""
        return load(self._path, assemble)

    def obey(self, new: tuple[Root, tuple[Configured, ...]]) -> Coroutine[Any, Any, None]:
        """From now on obey *new*. Raises ConfigError before anything has changed. What is returned closes the checks
        that are replaced, in the loop that asks them.

        All else that is replaced is left to whoever still uses it: a reload is rare, and messages in flight are not."""
        root, checks = new
        old, replaced = self._root, self._checks
        self._store = self._store if root.store == old.store else open_store(root.store)
        self._dns = self._dns if root.dns == old.dns else DnsResolver(root.dns)
        if root.journal != old.journal:
            self.journal.flush()
            self.journal = Journal.open(root.journal, self._log)
        self._log.configure(root.log, PROGRAM)
        self._root, self._checks = root, checks
        self.pipeline = self._pipeline(root, checks)
        self.keeper = self._keeper(root)
        return registry.close(replaced, self._log)
