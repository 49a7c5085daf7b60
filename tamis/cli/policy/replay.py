"""replay - `tamis policy replay`: what another configuration would have decided about the requests of a day."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from tamis.cli import zone
from tamis.cli.flags import add_config
from tamis.cli.policy.moment import moment
from tamis.cli.policy.replay_text import line, record, summary, totals_record
from tamis.cli.sieve.apply_progress import Progress
from tamis.errors import ConfigError
from tamis.journal import Record, read
from tamis.outcome import EX_DATAERR, EX_NOINPUT, EX_OK

if TYPE_CHECKING:
    from policyd.rehearsal.judge import Configuration
    from policyd.rehearsal.replay import Totals
    from tamis.dns import Resolver
    from tamis.store import Store

CHANGED = 1

_EPILOG = """\
examples:
  tamis policy replay --config new.toml --since 1d
  tamis policy replay --config new.toml --baseline /etc/tamis/tamis.toml --since 2026-11-23 --until 2026-11-24
  tamis policy replay --config new.toml --dns zone.yaml --quiet day.jsonl

A verdict has changed where the client would be told another kind of answer, or another status code. Requests are
judged in the journal's order and at its times, nothing is stored, and nobody is told. The journal has what was decided
with the store of that day; the new configuration begins with an empty one, so greylisting meets strangers and limits
are untouched. --baseline judges by another configuration from the same start instead, and then only the difference of
the two shows; --state begins with what the store of the new configuration knows now.

DNS is that of today, or of a zone file. What asks the delivery engine (the check quota) asks it as it is now.

exit status:
  0 no verdict has changed   1 some have   64 usage   65 the zone is wrong   66 there are no requests
  69 the store is away   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "journal",
        metavar="JOURNAL",
        nargs="?",
        type=Path,
        help="a file or directory; by default the journal of the configuration",
    )
    add_config(parser, "the configuration to try")
    parser.add_argument(
        "--baseline", metavar="FILE", type=Path, help="compare with this configuration, not with the journal"
    )
    parser.add_argument("--since", metavar="TIME", type=moment, default=0.0, help="2h, or 2026-12-24T18:00")
    parser.add_argument("--until", metavar="TIME", type=moment, default=float("inf"), help="the same")
    parser.add_argument("--state", action="store_true", help="begin with what the store knows now")
    parser.add_argument("--dns", metavar="ZONE.yaml|resolver", default=zone.SYSTEM, help=zone.HELP)
    parser.add_argument("-q", "--quiet", action="store_true", help="print the totals alone")
    parser.add_argument("--json", action="store_true", help="an object for each change, and one of totals")


def run(args: argparse.Namespace) -> int:
    """Print each change and the totals. Raises ConfigError, and TempFail where the store is away."""
    from policyd.rehearsal.judge import configuration

    configured = configuration(args.config)
    baseline = configuration(args.baseline) if args.baseline else None
    path = args.journal or configured.root.journal.path
    try:
        resolver = zone.resolver(args.dns, args.config)
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        return EX_DATAERR
    except OSError as exc:
        print(f"tamis policy replay: {exc.filename}: {exc.strerror}", file=sys.stderr)
        return EX_NOINPUT
    began = time.monotonic()
    try:
        found = asyncio.run(_replay(args, path, configured, baseline, resolver))
    except FileNotFoundError as exc:
        print(f"tamis policy replay: {exc.filename}: {exc.strerror}", file=sys.stderr)
        return EX_NOINPUT
    seconds = time.monotonic() - began
    if not found.requests:
        print(f"tamis policy replay: there are no policy requests in {path}", file=sys.stderr)
        return EX_NOINPUT
    print(json.dumps(totals_record(found, seconds)) if args.json else "\n".join(summary(found, seconds)))
    return CHANGED if found.changed else EX_OK


async def _replay(
    args: argparse.Namespace,
    path: Path,
    configured: Configuration,
    baseline: Configuration | None,
    resolver: Resolver,
) -> Totals:
    from policyd.rehearsal.replay import Totals, replayed

    found = Totals()
    async with AsyncExitStack() as stack:
        old = (baseline, await _store(args, baseline, stack)) if baseline else None
        store = await _store(args, configured, stack)
        total = sum(1 for _ in _records(path, args)) if sys.stderr.isatty() else 0
        progress = stack.enter_context(Progress(total, sys.stderr, "requests"))
        async for one in replayed(_records(path, args), configured, store, resolver, old):
            found.add(one)
            progress(found.requests)
            if one.changed and not args.quiet:
                progress.hidden()
                print(json.dumps(record(one)) if args.json else line(one))
    return found


def _records(path: Path, args: argparse.Namespace) -> Iterator[Record]:
    """Of the daemon, within the times: a directory is read in the order of time."""
    within = takewhile(lambda record: record.time_s <= args.until, read(path, args.since))
    return (record for record in within if record.program == "policyd")


async def _store(args: argparse.Namespace, configured: Configuration, stack: AsyncExitStack) -> Store:
    from policyd.rehearsal.state import copied
    from tamis.store.memory import MemoryStore

    if not args.state:
        return MemoryStore()
    store, caution = await stack.enter_async_context(copied(configured.root.store))
    if caution:
        print(f"tamis policy replay: {caution}", file=sys.stderr)
    return store
