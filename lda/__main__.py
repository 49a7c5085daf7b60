"""__main__ - tamis-lmtpd, the resident delivery engine: from the configuration to workers that serve its sockets.

Order at start: configuration, listeners, the process that forks deliveries where each user has a uid of their own,
root no more, metrics port, workers. A worker is this program with the hidden flag --worker. prometheus_client decides
when it is imported whether it counts for several processes, so that directory is made before anything of ours that
counts.
"""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tamis.outcome import EX_CONFIG, EX_OK
from tamis.worker_counters import hand_over, with_directory

if TYPE_CHECKING:
    import argparse
    import socket

    from lda.config import Root
    from tamis.log import Log

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


def main() -> int:
    """Serve until told to stop; the exit status. A bad configuration is 78, before any listener opens."""
    return with_directory("tamis-lmtpd", _main)


def _main(directory: Path) -> int:
    from lda.config import PROGRAM, assemble
    from tamis.config.command import answer, config_path, configuration, make_parser
    from tamis.errors import ConfigError
    from tamis.log import Log

    args = _arguments(make_parser(PROGRAM, DESCRIPTION, EXAMPLES))
    if (status := answer(args, assemble)) is not None:
        return status
    root = configuration(args, assemble)
    log = Log.open(root.log, PROGRAM)
    try:
        if args.worker is not None:
            _work(args, root, log, directory)
        else:
            _serve(root, config_path(args), log, directory)
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        return EX_CONFIG
    return EX_OK


def _arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    import argparse

    parser.add_argument("--worker", type=int, metavar="SLOT", help=argparse.SUPPRESS)
    parser.add_argument("--inherited", metavar="DESCRIPTORS", help=argparse.SUPPRESS)
    return parser.parse_args()


def _work(args: argparse.Namespace, root: Root, log: Log, directory: Path) -> None:
    """Be a worker."""
    from lda.worker import Inherited, work
    from tamis import metrics
    from tamis.config.command import config_path

    metrics.declare_program("lda")
    orphaned = work(root, config_path(args), Inherited.parse(args.inherited), log)
    if orphaned:  # nobody else is left to tidy up
        shutil.rmtree(directory, ignore_errors=True)


def _serve(root: Root, path: Path, log: Log, directory: Path) -> None:
    """Be the parent."""
    from lda.build import settings_of
    from lda.config import assemble
    from lda.forker import Forker
    from lda.worker import Inherited, peers_of
    from tamis import metrics
    from tamis.config.load import load
    from tamis.service import Notifier, drop_privileges, run, serving_metrics
    from tamis.service.prefork import Parent, Snapshot

    config = root.lda
    account = config.user or config.parser
    peers_of(config)
    forker = None
    if os.geteuid() == 0 and not config.user:  # before there are listeners or threads
        forker = Forker.start(config.deadline, lambda: settings_of(load(path, assemble)))
    notifier = Notifier.from_environment()
    lmtp, handoff = _listeners(root, log)
    hand_over(directory, account)
    drop_privileges(account)
    inherited = Inherited(
        lmtp=tuple(listener.fileno() for listener in lmtp),
        handoff=tuple(listener.fileno() for listener in handoff),
        control=forker.control if forker else -1,
    )
    count = config.workers or len(os.sched_getaffinity(0))
    parent = Parent(
        package="lda",
        flags=inherited.words(),
        snapshot=Snapshot(path, lambda path: load(path, assemble)),
        count=count,
        listeners=(*lmtp, *handoff),
        also=[forker.control] if forker else [],
        status=f"{len(lmtp) + len(handoff)} listeners, {count} workers",
        drain_s=config.drain,
        died=metrics.count_lda_restart,
        reloaded=forker.reload if forker else lambda: None,
    )
    with serving_metrics("lda", config.metrics, log):
        run(parent.live, log, notifier)
    if forker:
        forker.close()


def _listeners(root: Root, log: Log) -> tuple[tuple[socket.socket, ...], tuple[socket.socket, ...]]:
    """Those for LMTP, and those for tamis-lda. Raises ConfigError."""
    from tamis.service import Activation, open_listeners

    config = root.lda
    listen = partial(
        open_listeners,
        log=log,
        activation=Activation.from_environment(),
        mode=config.mode,
        owner=config.user,
        group=config.group,
    )
    return listen("lmtp", config.listen), listen("handoff", [config.handoff] if config.handoff else [])


if __name__ == "__main__":
    sys.exit(main())
