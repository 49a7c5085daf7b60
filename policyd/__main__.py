"""__main__ - tamis-policyd: from the configuration to a policy daemon that serves until it is told to stop.

Order at start: configuration, state store, listeners, root no more, everything else. With several workers this process
is their parent and judges nothing; a worker is this program with the hidden flag --worker. prometheus_client decides
when it is imported whether it counts for several processes, so that is known before anything of ours that counts.
"""

from __future__ import annotations

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
        if directory is None:
            _serve(args, root, checks, log)
        elif args.worker is not None:
            _work(args, root, checks, log, directory)
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
    with serving_metrics("policyd", root.policyd.metrics, log):
        run(lambda life: program.live(life, checks, listeners), log, notifier)


def _work(
    args: argparse.Namespace, root: Root, checks: tuple[Configured, ...], log: Log, directory: Path
) -> None:
    """Be a worker."""
    from policyd.program import Program
    from tamis import metrics
    from tamis.service.prefork import parent_watched, run_worker

    metrics.declare_program("policyd")
    program = Program(config_path(args), root, log)
    listeners = tuple(socket.socket(fileno=int(descriptor)) for descriptor in args.inherited.split(","))

    async def live(life: Life) -> None:
        with parent_watched(life):
            await program.live(life, checks, listeners)

    if run_worker(live, log):  # nobody else is left to tidy up
        shutil.rmtree(directory, ignore_errors=True)


def _lead(args: argparse.Namespace, root: Root, log: Log, directory: Path) -> None:
    """Be the parent of workers."""
    from policyd.config import assemble
    from tamis import metrics
    from tamis.config.load import load
    from tamis.service import Notifier, drop_privileges, run, serving_metrics
    from tamis.service.prefork import Parent, Snapshot
    from tamis.store import open_store

    config = root.policyd
    open_store(root.store)  # what is wrong with it is told before there is a listener
    notifier = Notifier.from_environment()
    listeners = _listeners(root, log)
    hand_over(directory, config.user)
    drop_privileges(config.user)
    parent = Parent(
        package="policyd",
        flags=[f"--inherited={','.join(str(listener.fileno()) for listener in listeners)}"],
        snapshot=Snapshot(config_path(args), lambda path: load(path, assemble)),
        count=config.workers,
        listeners=listeners,
        status=f"{len(listeners)} listeners, {config.workers} workers",
        drain_s=config.deadline,
        died=metrics.count_policyd_restart,
    )
    with serving_metrics("policyd", config.metrics, log):
        run(parent.live, log, notifier)


def _listeners(root: Root, log: Log) -> tuple[socket.socket, ...]:
    """Raises ConfigError."""
    from tamis.service import Activation, open_listeners

    config = root.policyd
    activation = Activation.from_environment()
    return open_listeners(
        "policyd", config.listen, log, activation, mode=config.mode, owner=config.user, group=config.group
    )


if __name__ == "__main__":
    sys.exit(main())
