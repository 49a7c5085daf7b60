"""__main__ - tamis-policyd: from the configuration to a policy daemon that serves until it is told to stop.

Order at start: configuration, state store, listeners, root no more, everything else. With several workers this process
is their parent and judges nothing; a worker is this program with the hidden flag --worker. prometheus_client decides
when it is imported whether it counts for several processes, so that is known before anything of ours that counts.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import sys
import tomllib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tamis.config.command import answer, config_path, configuration, make_parser
from tamis.errors import ConfigError
from tamis.outcome import EX_CONFIG, EX_OK
from tamis.worker_counters import hand_over, with_directory

if TYPE_CHECKING:
    import argparse

    from policyd.config import Root
    from tamis.log import Log
    from tamis.registry import Configured
    from tamis.service import Life

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

PROGRAM = "tamis-policyd"
KILL_AFTER_S = 2.0
SPARE_DESCRIPTORS = 64  # log, journal, database, metrics port and its connections


def main() -> int:
    """Serve until told to stop; the exit status. A bad configuration is 78, before any listener opens."""
    args = _arguments(make_parser(PROGRAM, DESCRIPTION, EXAMPLES))
    if args.worker is None and _workers(config_path(args)) <= 1:
        return _main(args, None)
    return with_directory(PROGRAM, partial(_main, args))


def _arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    import argparse

    parser.add_argument("--worker", type=int, metavar="SLOT", help=argparse.SUPPRESS)
    parser.add_argument("--inherited", metavar="DESCRIPTORS", help=argparse.SUPPRESS)
    return parser.parse_args()


def _workers(path: Path) -> int:
    """How many the file asks for; what is wrong with it others say."""
    try:
        count = tomllib.loads(path.read_text()).get("policyd", {}).get("workers", 1)
    except (OSError, ValueError, AttributeError):
        return 1
    return count if isinstance(count, int) else 1


def _main(args: argparse.Namespace, directory: Path | None) -> int:
    """*directory*: where workers count; None: there are none."""
    from policyd.config import assemble
    from tamis.log import Log

    if (status := answer(args, assemble)) is not None:
        return status
    root, checks = configuration(args, assemble)
    log = Log.open(root.log, PROGRAM)
    try:
        if args.worker is not None:
            _work(args, root, checks, log)
        elif directory is None:
            _serve(args, root, checks, log)
        else:
            _lead(args, root, log, directory)
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        return EX_CONFIG
    return EX_OK


def _serve(args: argparse.Namespace, root: Root, checks: tuple[Configured, ...], log: Log) -> None:
    """Be all there is."""
    from policyd.program import Program
    from tamis.service import Notifier, drop_privileges, run, serving_metrics

    program = Program(config_path(args), root, log)
    notifier = Notifier.from_environment()
    listeners = _listeners(root, log)
    drop_privileges(root.policyd.user)
    _allow_descriptors(root.policyd.connections, log)
    with serving_metrics("policyd", root.policyd.metrics, log):
        run(lambda life: program.live(life, checks, listeners), log, notifier)


def _work(args: argparse.Namespace, root: Root, checks: tuple[Configured, ...], log: Log) -> None:
    """Be a worker."""
    from policyd.program import Program
    from tamis import metrics
    from tamis.service import run
    from tamis.service.prefork import ParentNotifier, parent_watched

    metrics.declare_program("policyd")
    program = Program(config_path(args), root, log)
    listeners = tuple(socket.socket(fileno=int(descriptor)) for descriptor in args.inherited.split(","))

    async def live(life: Life) -> None:
        with parent_watched(life):
            await program.live(life, checks, listeners)
        if life.orphaned:  # nobody else is left to tidy up
            shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)

    run(live, log, ParentNotifier())


def _lead(args: argparse.Namespace, root: Root, log: Log, directory: Path) -> None:
    """Be the parent of workers."""
    from policyd.config import assemble
    from policyd.program import beside
    from tamis import metrics
    from tamis.config.load import load
    from tamis.service import Notifier, drop_privileges, run, serving_metrics
    from tamis.service.prefork import Snapshot, Workers
    from tamis.store import open_store

    config = root.policyd
    open_store(root.store)  # what is wrong with it is told before there is a listener
    notifier = Notifier.from_environment()
    listeners = _listeners(root, log)
    hand_over(directory, config.user)
    drop_privileges(config.user)
    _allow_descriptors(config.connections, log)
    descriptors = [listener.fileno() for listener in listeners]
    path = config_path(args)
    snapshot = Snapshot(path, lambda path: load(path, assemble))
    inherited = f"--inherited={','.join(map(str, descriptors))}"
    command = [sys.executable, "-P", "-m", "policyd", "--config", str(snapshot.path), inherited]

    async def live(life: Life) -> None:
        kept = [*descriptors, snapshot.descriptor]
        workers = Workers(command, config.workers, kept, log, metrics.count_policyd_restart)
        await workers.start()

        async def reload() -> None:
            await beside(snapshot.update)
            workers.reload()

        await life.until_stopped(reload, f"{len(listeners)} listeners, {config.workers} workers")
        for listener in listeners:
            listener.close()
        if not await life.drain(workers.stop(), config.deadline + KILL_AFTER_S):
            workers.kill()

    with serving_metrics("policyd", config.metrics, log):
        run(live, log, notifier)


def _listeners(root: Root, log: Log) -> tuple[socket.socket, ...]:
    """Raises ConfigError."""
    from tamis.service import Activation, open_listeners

    config = root.policyd
    activation = Activation.from_environment()
    return open_listeners(
        "policyd", config.listen, log, activation, mode=config.mode, owner=config.user, group=config.group
    )


def _allow_descriptors(connections: int, log: Log) -> None:
    """Each peer is a file descriptor, and 1,024 is what most systems give."""
    wanted = connections + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning("fewer connections than configured: raise LimitNOFILE", limit=hard, wanted=wanted)


if __name__ == "__main__":
    sys.exit(main())
