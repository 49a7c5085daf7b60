"""__main__ - tamis-milter: from the configuration to workers that serve the milter's socket until told to stop.

Order at start: configuration, listener, root no more, metrics port, workers. A worker is this program with the hidden
flag --worker. prometheus_client decides when it is imported whether it counts for several processes, so that
directory is made before anything of ours that counts.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tamis.outcome import EX_CONFIG, EX_OK
from tamis.worker_counters import hand_over, with_directory

if TYPE_CHECKING:
    import argparse

    from milters.config import Root
    from tamis.log import Log
    from tamis.registry import Configured

DESCRIPTION = "Authenticate and edit messages while Postfix or Sendmail receives them (milter protocol)."
EXAMPLES = """\
tamis.toml:

    [milter.checks.authenticate]

main.cf (a path after unix: is below the queue directory, where a chrooted smtpd finds it):

    smtpd_milters = { unix:tamis/milter, connect_timeout=10s, default_action=tempfail }

default_action says what holds while the milter is away: tempfail tells clients to come back, accept lets mail in
as it is. SIGHUP reads the configuration again and keeps the old one if the new one is bad; SIGTERM lets messages
in flight end.
"""


def main() -> int:
    """Serve until told to stop; the exit status. A bad configuration is 78, before any listener opens."""
    return with_directory("tamis-milter", _main)


def _main(directory: Path) -> int:
    from milters.config import PROGRAM, assemble
    from tamis.config.command import answer, configuration, make_parser
    from tamis.errors import ConfigError
    from tamis.log import Log

    args = _arguments(make_parser(PROGRAM, DESCRIPTION, EXAMPLES))
    if (status := answer(args, assemble)) is not None:
        return status
    root, checks = configuration(args, assemble)
    log = Log.open(root.log, PROGRAM)
    try:
        if args.worker is not None:
            _work(args, root, checks, log, directory)
        else:
            _serve(args, root, log, directory)
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        return EX_CONFIG
    return EX_OK


def _arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    import argparse

    parser.add_argument("--worker", type=int, metavar="SLOT", help=argparse.SUPPRESS)
    parser.add_argument("--listener", type=int, metavar="FD", help=argparse.SUPPRESS)
    return parser.parse_args()


def _work(
    args: argparse.Namespace, root: Root, checks: tuple[Configured, ...], log: Log, directory: Path
) -> None:
    """Be a worker: until the end of this process, for libmilter's threads cannot be joined."""
    from milters.build import Program
    from tamis import metrics
    from tamis.config.command import config_path

    metrics.declare_program("milter")
    program = Program(config_path(args), root, checks, log)
    if root.milter.transport == "native":
        from milters.resident import serve

        orphaned = serve(program, log, root.milter.drain, args.listener)
    else:
        from milters.worker import Worker

        orphaned = Worker(program, log, root.milter.drain).serve(args.listener)
    if orphaned:  # nobody else is left to tidy up
        shutil.rmtree(directory, ignore_errors=True)
    os._exit(EX_OK)


def _serve(args: argparse.Namespace, root: Root, log: Log, directory: Path) -> None:
    """Be the parent."""
    from milters.config import assemble
    from tamis import metrics
    from tamis.config.command import config_path
    from tamis.config.load import load
    from tamis.service import Activation, Notifier, drop_privileges, open_listeners, run, serving_metrics
    from tamis.service.prefork import Parent, Snapshot

    config = root.milter
    activation, notifier = Activation.from_environment(), Notifier.from_environment()
    listeners = open_listeners(
        "milter", [config.listen], log, activation, mode=config.mode, owner=config.user, group=config.group
    )
    if config.listen.startswith("inet:"):
        log.warning(
            "listening on TCP, where each message takes 40 ms and more: unix: is better",
            address=config.listen,
        )
    listener = listeners[0]  # callbacks are static in C: one socket a process tree
    hand_over(directory, config.user)
    drop_privileges(config.user)
    path = config_path(args)
    parent = Parent(
        package="milters",
        flags=["--listener", str(listener.fileno())],
        snapshot=Snapshot(path, lambda path: load(path, assemble)),
        count=config.workers,
        listeners=[listener],
        status=f"{config.workers} workers",
        drain_s=config.drain,
        died=metrics.count_milter_restart,
    )
    with serving_metrics("milter", config.metrics, log):
        run(parent.live, log, notifier)


if __name__ == "__main__":
    sys.exit(main())
