"""__main__ - tamis-policyd: from the configuration to a policy daemon that serves until it is told to stop.

Order at start: configuration, state store, listeners, root no more, everything else. A reload builds everything
anew and then changes one reference: requests that have begun end under the old checks.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

from policyd.config import PROGRAM, PolicydConfig, Root, assemble
from policyd.server import PolicyServer
from tamis import metrics
from tamis.check import Attended, SelfTesting, Services
from tamis.config.command import answer, config_path, configuration, make_parser
from tamis.config.load import load
from tamis.dns import DnsResolver
from tamis.errors import ConfigError
from tamis.journal import Journal
from tamis.log import Log
from tamis.outcome import EX_CONFIG, EX_OK
from tamis.pipeline import Pipeline
from tamis.registry import Configured
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
from tamis.store import Store, open_store

DESCRIPTION = "Answer Postfix's check_policy_service with the checks of [policyd.checks.NAME]."
EXAMPLES = """\
tamis.toml, where each user who logs in may write to 100 recipients an hour and 500 a day:

    [policyd.checks.users]
    check = "ratelimit"
    key = ["sasl_username"]
    limits = ["100/1h", "500/1d"]

main.cf (a path after unix: is below the queue directory, where a chrooted smtpd finds it):

    smtpd_recipient_restrictions =
        permit_mynetworks
        reject_unauth_destination
        check_policy_service { unix:tamis/policyd, timeout=10s, default_action=DUNNO }

default_action says what holds while the daemon is away: DUNNO lets mail pass, without it clients are told to
come back. SIGHUP reads the configuration again and keeps the old one if the new one is bad; SIGTERM answers
what was asked and ends.
"""

# What is fixed when the daemon starts; a change waits for a restart.
AT_START = ("listen", "mode", "group", "user", "metrics", "idle", "connections")
DRAIN_MARGIN_S = 1.0
SPARE_DESCRIPTORS = 64  # log, journal, database, metrics port and its connections


def main() -> int:
    """Serve until told to stop; the exit status. A bad configuration is 78, before any listener opens."""
    args = make_parser(PROGRAM, DESCRIPTION, EXAMPLES).parse_args()
    if (status := answer(args, assemble)) is not None:
        return status
    root, checks = configuration(args, assemble)
    log = Log.open(root.log, PROGRAM)
    try:
        _serve(config_path(args), root, checks, log)
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        return EX_CONFIG
    return EX_OK


def _serve(path: Path, root: Root, checks: tuple[Configured, ...], log: Log) -> None:
    config = root.policyd
    store = open_store(root.store)
    activation, notifier = Activation.from_environment(), Notifier.from_environment()
    listeners = open_listeners(
        "policyd", config.listen, log, activation, mode=config.mode, owner=config.user, group=config.group
    )
    drop_privileges(config.user)
    _allow_descriptors(config.connections, log)
    metrics.declare_program("policyd")
    with _metrics_port(config.metrics, log):
        journal = Journal.open(root.journal, log)
        program = _Program(path, root, log, _State(store, journal, DnsResolver(root.dns)), listeners)
        run(lambda life: program.live(life, checks), log, notifier)


@contextlib.contextmanager
def _metrics_port(address: str, log: Log) -> Iterator[None]:
    port = start_metrics(address, log)
    try:
        yield
    finally:
        if port is not None:
            port.close()


def _allow_descriptors(connections: int, log: Log) -> None:
    """Each peer is a file descriptor, and 1,024 is what most systems give."""
    wanted = connections + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning("fewer connections than configured: raise LimitNOFILE", limit=hard, wanted=wanted)


@dataclass(frozen=True, slots=True)
class _State:
    """What outlives a request, and a reload that does not change its table."""

    store: Store
    journal: Journal
    dns: DnsResolver


class _Program:
    """The running daemon: the configuration it obeys and what was built from it."""

    def __init__(
        self, path: Path, root: Root, log: Log, state: _State, listeners: tuple[socket.socket, ...]
    ) -> None:
        self._path = path
        self._root = root
        self._log = log
        self._state = state
        self._listeners = listeners
        self._retiring: set[asyncio.Task[None]] = set()
        self._beside: list[asyncio.Task[None]] = []

    async def live(self, life: Life, checks: tuple[Configured, ...]) -> None:
        """Serve until it is time to stop."""
        config = self._root.policyd
        pipeline = self._pipeline(self._root, checks, self._state)
        server = PolicyServer(pipeline, self._log, config.connections, config.idle)
        servers = await accept_on(self._listeners, server.connect)
        sweep = asyncio.create_task(server.sweep())
        self._attend(checks, pipeline)
        await life.until_stopped(lambda: self._reload(server), f"{len(servers)} listeners")
        sweep.cancel()
        for task in self._beside:
            task.cancel()
        for listening in servers:
            listening.close()
        limit_s = self._root.policyd.deadline + DRAIN_MARGIN_S
        await life.drain(server.drain(limit_s), limit_s + DRAIN_MARGIN_S)
        await asyncio.gather(*self._retiring)
        await self._state.store.close()
        self._state.journal.close()

    def _pipeline(self, root: Root, checks: tuple[Configured, ...], state: _State) -> Pipeline:
        hostname = root.hostname or socket.getfqdn()
        services = Services(state.store, state.dns, time.time, hostname, self._log, tells=True)
        return Pipeline("policyd", checks, services, self._log, state.journal, root.policyd.deadline)

    async def _reload(self, server: PolicyServer) -> None:
        """Read, build, swap. Raises before anything has changed."""
        root, checks = load(self._path, assemble)
        old_root, old = self._root, self._state
        state = _State(
            old.store if root.store == old_root.store else open_store(root.store),
            old.journal if root.journal == old_root.journal else Journal.open(root.journal, self._log),
            old.dns if root.dns == old_root.dns else DnsResolver(root.dns),
        )
        pipeline = self._pipeline(root, checks, state)
        self._log.configure(root.log, PROGRAM)
        self._root, self._state, server.pipeline = root, state, pipeline
        for name in changed_at_start(old_root.policyd, root.policyd):
            self._log.warning("a changed option waits for a restart", option=f"policyd.{name}")
        self._attend(checks, pipeline)
        if state != old:
            self._retire(old, server)

    def _attend(self, checks: tuple[Configured, ...], pipeline: Pipeline) -> None:
        """Beside the requests: look whether the services that checks depend on are as they should be, and let checks
        fetch what they need."""
        for task in self._beside:
            task.cancel()
        self._beside = [asyncio.create_task(_self_test(checks, self._state.dns, self._log))]
        self._beside += [
            asyncio.create_task(_attended(each.label, each.check, pipeline.services))
            for each in checks
            if each.mode != "off" and isinstance(each.check, Attended)
        ]

    def _retire(self, old: _State, server: PolicyServer) -> None:
        """Close what is in use no more, once the requests that know it have ended."""
        task = asyncio.create_task(_close_after(set(server.tasks), old, self._state))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)


def changed_at_start(old: PolicydConfig, new: PolicydConfig) -> list[str]:
    """The options that a reload cannot change and that differ."""
    same = replace(new, **{name: getattr(old, name) for name in AT_START})
    return [f.name for f in fields(new) if getattr(same, f.name) != getattr(new, f.name)]


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


async def _close_after(requests: set[asyncio.Task[None]], old: _State, new: _State) -> None:
    if requests:
        await asyncio.wait(requests)
    if old.store is not new.store:
        await old.store.close()
    if old.journal is not new.journal:
        old.journal.close()


if __name__ == "__main__":
    sys.exit(main())
