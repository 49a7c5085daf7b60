"""program - what runs in the policy daemon, alone or as one of its workers: a server, and the checks that it obeys.

A reload builds everything anew and then changes one reference: requests that have begun end under the old checks.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

from policyd.config import PROGRAM, PolicydConfig, Root, assemble
from policyd.server import PolicyServer
from policyd.unasked import tell_unasked
from tamis import registry
from tamis.check import Attended, Finishing, SelfTesting, Services, Succeeding
from tamis.config.load import load
from tamis.dns import DnsResolver
from tamis.journal import Journal
from tamis.log import Log
from tamis.pipeline import Pipeline
from tamis.registry import Configured
from tamis.service import Life
from tamis.service.accept import Acceptor, connecting
from tamis.service.descriptors import room_for
from tamis.store import Store, open_store

# What is fixed when the daemon starts; a change waits for a restart.
AT_START = ("listen", "mode", "group", "user", "workers", "metrics", "idle", "connections")
DRAIN_MARGIN_S = 1.0
FINISH_S = 3.0
SPARE_DESCRIPTORS = 64  # log, journal, database, metrics port and its connections
# New objects before the collector looks for cycles: fifty requests at a time make some thousands.
GARBAGE = 10_000


@dataclass(frozen=True, slots=True)
class State:
    """What outlives a request, and a reload that does not change its table."""

    store: Store
    journal: Journal
    dns: DnsResolver


class Program:
    """The running daemon, or one worker of it: the configuration it obeys and what was built from it."""

    def __init__(self, path: Path, root: Root, log: Log) -> None:
        """Raises ConfigError for a store that cannot be."""
        self._path = path
        self._root = root
        self._log = log
        self._state = State(
            open_store(root.store), Journal.open(root.journal, log), DnsResolver(root.dns)
        )  # fmt: skip
        self._retiring: set[asyncio.Task[None]] = set()
        self._beside: list[asyncio.Task[None]] = []
        self._checks: tuple[Configured, ...] = ()

    async def live(
        self, life: Life, checks: tuple[Configured, ...], listeners: tuple[socket.socket, ...]
    ) -> None:
        """Serve until it is time to stop."""
        config = self._root.policyd
        pipeline = self._pipeline(self._root, checks, self._state)
        connections = room_for(config.connections, SPARE_DESCRIPTORS, self._log)
        server = PolicyServer(pipeline, self._log, connections, config.idle)
        acceptor = Acceptor(listeners, connecting(server.connect, self._log), self._log)
        sweep = asyncio.create_task(server.sweep())
        self._attend(checks, pipeline, server)
        spare_collections()
        await life.until_stopped(
            lambda: load(self._path, assemble), partial(self._obey, server), f"{len(listeners)} listeners"
        )
        sweep.cancel()
        for task in self._beside:
            task.cancel()
        acceptor.close()
        limit_s = self._root.policyd.deadline + DRAIN_MARGIN_S
        await life.drain(server.drain(limit_s), limit_s + DRAIN_MARGIN_S)
        await self._finish()
        await asyncio.gather(*self._retiring)
        await registry.close(self._checks, self._log)
        await self._state.store.close()
        self._state.journal.close()

    def _pipeline(self, root: Root, checks: tuple[Configured, ...], state: State) -> Pipeline:
        hostname = root.hostname or socket.getfqdn()
        services = Services(state.store, state.dns, time.time, hostname, self._log, tells=True)
        return Pipeline("policyd", checks, services, self._log, state.journal, root.policyd.deadline)

    def _obey(self, server: PolicyServer, new: tuple[Root, tuple[Configured, ...]]) -> None:
        """Build, swap. Raises before anything has changed."""
        root, checks = new
        old_root, old = self._root, self._state
        state = State(
            old.store if root.store == old_root.store else open_store(root.store),
            old.journal if root.journal == old_root.journal else Journal.open(root.journal, self._log),
            old.dns if root.dns == old_root.dns else DnsResolver(root.dns),
        )
        pipeline = self._pipeline(root, checks, state)
        replaced = self._checks
        succeed(replaced, checks)
        self._log.configure(root.log, PROGRAM)
        self._root, self._state, server.pipeline = root, state, pipeline
        for name in changed_at_start(old_root.policyd, root.policyd):
            self._log.warning("a changed option waits for a restart", option=f"policyd.{name}")
        self._attend(checks, pipeline, server)
        self._retire(old, replaced, server)

    async def _finish(self) -> None:
        """Let checks end what goes on beside the requests, for a moment."""
        finishing = [each.check.finish() for each in self._checks if isinstance(each.check, Finishing)]
        try:
            async with asyncio.timeout(FINISH_S):
                await asyncio.gather(*finishing)
        except TimeoutError:
            self._log.warning("stopped before all was told", limit_s=FINISH_S)

    def _attend(self, checks: tuple[Configured, ...], pipeline: Pipeline, server: PolicyServer) -> None:
        """Beside the requests: look whether what checks depend on is as it should be, other services and Postfix's
        questions, and let checks fetch what they need."""
        self._checks = checks
        for task in self._beside:
            task.cancel()
        self._beside = [
            asyncio.create_task(_self_test(checks, self._state.dns, self._log)),
            asyncio.create_task(tell_unasked(checks, server.asked, self._log)),
        ]
        self._beside += [
            asyncio.create_task(_attended(each.label, each.check, pipeline.services))
            for each in checks
            if each.mode != "off" and isinstance(each.check, Attended)
        ]

    def _retire(self, old: State, checks: tuple[Configured, ...], server: PolicyServer) -> None:
        """Close what is in use no more, once the requests that know it have ended."""
        task = asyncio.create_task(_close_after(set(server.tasks), old, self._state, checks, self._log))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)


def spare_collections() -> None:
    """What the start has made lives as long as the daemon: no collection shall walk through it, and while requests are
    answered there is little to collect."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, 10, 10)


def changed_at_start(old: PolicydConfig, new: PolicydConfig) -> list[str]:
    """The options that a reload cannot change and that differ."""
    same = replace(new, **{name: getattr(old, name) for name in AT_START})
    return [f.name for f in fields(new) if getattr(same, f.name) != getattr(new, f.name)]


def succeed(old: Iterable[Configured], new: Iterable[Configured]) -> None:
    """Let checks go on from what those that they replace have learnt."""
    former = {(each.label, type(each.check)): each.check for each in old}
    for each in new:
        before = former.get((each.label, type(each.check)))
        if before is not None and isinstance(each.check, Succeeding):
            each.check.succeed(before)


async def _self_test(checks: tuple[Configured, ...], dns: DnsResolver, log: Log) -> None:
    for configured in checks:
        if configured.mode != "off" and isinstance(configured.check, SelfTesting):
            for text, advice in await configured.check.self_test(dns):
                if advice:
                    log.warning("self-test", check=configured.label, found=text, advice=advice)


async def _attended(label: str, check: Attended, services: Services) -> None:
    try:
        await check.attend(services)
    except Exception as exc:
        services.log.exception("a check is attended no more", exc, check=label)


async def _close_after(
    requests: set[asyncio.Task[None]], old: State, new: State, checks: tuple[Configured, ...], log: Log
) -> None:
    if requests:
        await asyncio.wait(requests)
    await registry.close(checks, log)
    if old.store is not new.store:
        await old.store.close()
    if old.journal is not new.journal:
        old.journal.close()
