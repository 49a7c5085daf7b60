"""explain - `tamis policy explain`: what each check thinks of a request, from what, and what Postfix is told."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tamis.cli import zone
from tamis.cli.flags import add_config
from tamis.cli.policy.explain_text import Paint, lines, record
from tamis.cli.policy.moment import moment
from tamis.cli.sieve.explain import coloured, read
from tamis.errors import ConfigError, ProtocolError
from tamis.journal import read as read_journal
from tamis.journal import trace
from tamis.log import safe
from tamis.outcome import EX_DATAERR, EX_NOINPUT, EX_OK, EX_USAGE

if TYPE_CHECKING:
    from policyd.rehearsal.judge import Configuration
    from tamis.dns import Resolver

_LOOK_BACK_S = 30 * 86400.0
_MESSAGE = "explain"  # Postfix names the message at RCPT and later: what flags describe is one

# flag: attribute of the protocol, and what it is
_FLAGS = {
    "client": ("client_address", "address of the client"),
    "client-name": ("client_name", "its confirmed name; without it: unknown"),
    "reverse-name": ("reverse_client_name", "the name that its address has; without it: unknown"),
    "helo": ("helo_name", "what it says at HELO"),
    "sender": ("sender", "MAIL FROM; empty is the null sender"),
    "sasl-username": ("sasl_username", "who has logged in"),
    "size": ("size", "bytes, as announced or, at the end, received"),
}

_EPILOG = """\
examples:
  tamis policy explain --client 192.0.2.1 --sender a@example.net --recipient bob@example.org
  tamis policy explain --sasl-username alice --recipient b@example.net --recipient c@example.net
  tamis policy explain --queue-id 4dT1x83kHmz9
  tamis policy explain --dns zone.yaml --json request.txt

A file has requests as Postfix sends them: lines name=value, an empty line behind each. Flags replace what is in it.

Nothing is charged, remembered or announced: the checks run on a copy of the store. It is exact for SQLite. Redis is
asked what is left in each counter and how well clients and accounts are known; errands that wait in greylisting and
repeated requests are not seen there, and times until more is allowed may be late by one unit.

exit status:
  0 there is an answer, whatever it is   64 usage   65 a file is not what it should be   66 nothing to explain
  69 the store is away   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("file", metavar="FILE", nargs="?", help="requests; - reads them from stdin")
    parser.add_argument("--queue-id", metavar="ID", help="the requests about this message, from the journal")
    parser.add_argument("--instance", metavar="ID", help="the same, by instance")
    for flag, (name, what) in _FLAGS.items():
        parser.add_argument(f"--{flag}", dest=name, metavar=name.upper(), help=what)
    parser.add_argument(
        "--recipient", metavar="ADDRESS", action="append", help="RCPT TO; a request for each of several"
    )
    parser.add_argument("--stage", metavar="STATE", help="protocol_state: RCPT (the default), DATA, ...")
    parser.add_argument(
        "-a",
        "--attribute",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        type=_pair,
        help="any other attribute",
    )
    parser.add_argument("--now", metavar="TIME", type=moment, help="when it is asked, as 2026-12-24T18:00")
    parser.add_argument("--dns", metavar="ZONE.yaml|resolver", default=zone.SYSTEM, help=zone.HELP)
    parser.add_argument("--journal", metavar="DIR", type=Path, help="the journal, if not the configuration's")
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="an object for each request, one a line")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or "\n" in text or "\0" in text:
        raise argparse.ArgumentTypeError("must be NAME=VALUE, on one line")
    return name, value


def run(args: argparse.Namespace) -> int:
    """Tell what comes of each request. Raises ConfigError, and TempFail where the store is away."""
    from policyd.rehearsal.judge import configuration
    from policyd.request import STAGES

    if args.stage and args.stage.upper() not in STAGES:
        return _wrong(EX_USAGE, f"--stage: none of {', '.join(STAGES)}")
    configured = configuration(args.config)
    try:
        requests = [_flagged(args, request) for request in _requests(args, configured)]
        resolver = zone.resolver(args.dns, args.config)
    except (ConfigError, ProtocolError) as exc:
        return _wrong(EX_DATAERR, str(exc))
    except OSError as exc:
        return _wrong(EX_NOINPUT, f"{exc.filename}: {exc.strerror}")
    if requests:
        return asyncio.run(_explain(args, configured, requests, resolver))
    if named := args.file or args.queue_id or args.instance:
        return _wrong(EX_NOINPUT, f"no request of {safe(named)}")
    return _wrong(EX_USAGE, "name a file, --queue-id, --instance or attributes")


def _wrong(status: int, sentence: str) -> int:
    """*status*, after the sentence."""
    print(f"tamis policy explain: {sentence}", file=sys.stderr)
    return status


def _requests(args: argparse.Namespace, configured: Configuration) -> Iterator[dict[str, str]]:
    from policyd.rehearsal.requests import journalled, parsed

    if args.file:
        yield from parsed(read(args.file))
    elif wanted := args.queue_id or args.instance:
        path = args.journal or configured.root.journal.path
        for _, request in journalled(trace(read_journal(path, time.time() - _LOOK_BACK_S), wanted)):
            yield request
    elif _given(args) or args.recipient or args.stage or args.attribute:
        start = {"protocol_name": "ESMTP", "client_name": "unknown", "reverse_client_name": "unknown"}
        start["instance"] = _MESSAGE
        for recipient in args.recipient or [""]:
            yield start | {"protocol_state": "RCPT", "recipient": recipient}


def _given(args: argparse.Namespace) -> dict[str, str]:
    values = ((name, getattr(args, name)) for name, _ in _FLAGS.values())
    return {name: value for name, value in values if value is not None}


def _flagged(args: argparse.Namespace, request: dict[str, str]) -> dict[str, str]:
    """*request*, with what the flags say in place of its own."""
    changed = request | _given(args) | dict(args.attribute)
    if args.stage:
        changed["protocol_state"] = args.stage.upper()
    if args.recipient and (args.file or args.queue_id or args.instance):
        changed["recipient"] = args.recipient[-1]
    return changed


async def _explain(
    args: argparse.Namespace, configured: Configuration, requests: list[dict[str, str]], resolver: Resolver
) -> int:
    from policyd.rehearsal.explained import explained
    from policyd.rehearsal.state import copied

    paint = Paint(coloured())
    async with copied(configured.root.store) as (store, caution):
        if caution:
            print(f"tamis policy explain: {caution}", file=sys.stderr)
        for request in requests:
            now = args.now or time.time()
            told = await explained(configured, store, resolver, now, request)
            if args.json:
                print(json.dumps(record(told)))
            else:
                print("\n".join(lines(told, paint)))
    return EX_OK
