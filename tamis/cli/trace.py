"""trace - `tamis trace`: what policy daemon, milter and delivery agent decided about a message, and why.

Reads the journal, which each account that runs a program may read; root may read all of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tamis.config.load import Loader, default_path, load
from tamis.config.units import Unfit, parse_duration
from tamis.journal import JournalConfig, Record, read
from tamis.journal import trace as joined
from tamis.log import safe
from tamis.outcome import EX_OK, EX_USAGE

NOTHING_FOUND = 1
MAX_MESSAGES = 100

_SHOWN = (
    "client_address",
    "sasl_username",
    "sender",
    "recipient",
    "user",
    "actions",
    "status",
    "text",
    "check",
    "reason",
    "notes",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument(
        "queue_id", nargs="?", help="as in Postfix's log; or an instance of the policy protocol"
    )
    parser.add_argument("--recipient", metavar="ADDRESS", help="messages to this recipient instead")
    parser.add_argument("--sender", metavar="ADDRESS", help="messages from this sender instead")
    parser.add_argument(
        "--since", metavar="TIME", default="7d", help="how far to look back: 2h, 7d (the default)"
    )
    parser.add_argument(
        "--journal", metavar="DIR", type=Path, help="the journal; by default that of the configuration"
    )
    parser.add_argument("-c", "--config", metavar="FILE", type=Path, help="the configuration")
    parser.add_argument("--json", action="store_true", help="the records, one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Tell the story of each message found; 1 if there is none."""
    if not (args.queue_id or args.recipient or args.sender):
        print("tamis trace: name a queue id, --recipient or --sender", file=sys.stderr)
        return EX_USAGE
    try:
        since = time.time() - parse_duration(args.since)
    except Unfit as exc:
        print(f"tamis trace: --since: {exc}", file=sys.stderr)
        return EX_USAGE
    path = args.journal or _journal(args.config or default_path())
    wanted = [args.queue_id] if args.queue_id else _matching(read(path, since), args.sender, args.recipient)
    found = False
    for key in wanted:
        records = joined(read(path, since), key)
        found = found or bool(records)
        _tell(key, records, args.json)
    if not found:
        print(f"nothing about it in {path} since {args.since} ago", file=sys.stderr)
    return EX_OK if found else NOTHING_FOUND


def _journal(config: Path) -> Path:
    """The directory that the configuration names. Raises ConfigError."""

    def journal_table(loader: Loader) -> JournalConfig:
        return loader.build(JournalConfig, "journal")

    return load(config, journal_table).path


def _matching(records: Iterable[Record], sender: str | None, recipient: str | None) -> list[str]:
    """Keys of the messages of that sender or recipient, the newest `MAX_MESSAGES` of them."""
    keys: dict[str, None] = {}
    for record in records:
        if (sender or record.text("sender")).lower() != record.text("sender").lower():
            continue
        if (recipient or record.text("recipient")).lower() != record.text("recipient").lower():
            continue
        if key := record.text("queue_id") or record.text("instance"):
            keys[key] = None
    return list(keys)[-MAX_MESSAGES:]


def _tell(key: str, records: list[Record], as_json: bool) -> None:
    if as_json:
        for record in records:
            print(json.dumps({"time": record.time_s, "program": record.program, **record.fields}))
    elif records:
        print(f"{safe(key)}:")
        print("\n".join(map(_line, records)))


def _line(record: Record) -> str:
    """``  09:00:00  policyd RCPT  pass  client_address=... (users=pass)``."""
    clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.time_s))
    what = record.text("verdict") or record.text("outcome")
    where = f"{record.program} {record.text('stage')}".strip()
    words = [f"{name}={safe(record.text(name))}" for name in _SHOWN if record.text(name)]
    return f"  {clock}  {safe(where):<24} {safe(what):<8} {' '.join([*words, *_checks(record)])}".rstrip()


def _checks(record: Record) -> Iterator[str]:
    if checks := record.text("checks"):
        yield f"({safe(checks)})"
