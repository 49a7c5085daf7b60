"""trace - `tamis trace`: what policy daemon, milter and delivery agent decided about a message, and why.

Reads the journal, which each account that runs a program may read; root may read all of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tamis.cli.flags import add_config
from tamis.config.load import Loader, default_path, load
from tamis.config.units import Unfit, parse_duration
from tamis.journal import JournalConfig, Record, read
from tamis.journal import trace as joined
from tamis.log import safe
from tamis.mail.message_id import same
from tamis.outcome import EX_OK, EX_USAGE

NOTHING_FOUND = 1
MAX_MESSAGES = 100
NO_QUEUE_ID = "without queue id"

_SHOWN = (
    "client_address",
    "sasl_username",
    "sender",
    "recipient",
    "message_id",
    "user",
    "actions",
    "status",
    "text",
    "check",
    "reason",
    "notes",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a record must have; None: anything."""

    message_id: str | None
    sender: str | None
    recipient: str | None

    def meets(self, record: Record) -> bool:
        """Whether *record* has all of it."""
        return (
            (self.message_id is None or same(self.message_id, record.text("message_id")))
            and (self.sender is None or self.sender.lower() == record.text("sender").lower())
            and (self.recipient is None or self.recipient.lower() == record.text("recipient").lower())
        )


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument(
        "queue_id", nargs="?", help="as in Postfix's log; or an instance of the policy protocol"
    )
    parser.add_argument(
        "--message-id", metavar="ID", help="messages with this Message-ID instead, with or without <>"
    )
    parser.add_argument("--recipient", metavar="ADDRESS", help="messages to this recipient instead")
    parser.add_argument("--sender", metavar="ADDRESS", help="messages from this sender instead")
    parser.add_argument(
        "--since", metavar="TIME", default="7d", help="how far to look back: 2h, 7d (the default)"
    )
    parser.add_argument(
        "--journal", metavar="DIR", type=Path, help="the journal; by default that of the configuration"
    )
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="the records, one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Tell the story of each message found; 1 if there is none."""
    filters = (args.message_id, args.sender, args.recipient)
    if not (args.queue_id or any(filters)):
        print("tamis trace: name a queue id, --message-id, --recipient or --sender", file=sys.stderr)
        return EX_USAGE
    try:
        since = time.time() - parse_duration(args.since)
    except Unfit as exc:
        print(f"tamis trace: --since: {exc}", file=sys.stderr)
        return EX_USAGE
    path = args.journal or _journal(args.config or default_path())
    if args.queue_id:
        stories = {args.queue_id: joined(read(path, since), args.queue_id)}
    else:
        stories = _stories(path, since, Wanted(*filters))
    for key, records in stories.items():
        _tell(key, records, args.json)
    if not any(stories.values()):
        print(f"nothing about it in {path} since {args.since} ago", file=sys.stderr)
        return NOTHING_FOUND
    return EX_OK


def _journal(config: Path) -> Path:
    """The directory that the configuration names. Raises ConfigError."""

    def journal_table(loader: Loader) -> JournalConfig:
        return loader.build(JournalConfig, "journal")

    return load(config, journal_table).path


def _stories(path: Path, since_s: float, wanted: Wanted) -> dict[str, list[Record]]:
    """The records of each message of which one is *wanted*, by queue id where there is one.

    Three passes: which messages are wanted (the newest `MAX_MESSAGES`); by what else they are known, for Postfix's
    first question has an instance alone; and what there is about them. A record that nothing ties to a message is one
    of its own."""
    chosen: dict[str, None] = {}
    alone: list[Record] = []
    for record in filter(wanted.meets, read(path, since_s)):
        key = record.text("queue_id") or record.text("instance")
        if key:
            chosen[key] = None
        else:
            alone = [*alone[1 - MAX_MESSAGES :], record]
    known = _aliases(read(path, since_s), list(chosen)[-MAX_MESSAGES:])
    found: dict[str, list[Record]] = {key: [] for key in known.values()}
    for record in read(path, since_s):
        if key := next((known[key] for key in _keys(record) if key in known), ""):
            found[key].append(record)
    return {**found, **({NO_QUEUE_ID: alone} if alone else {})}


def _aliases(records: Iterable[Record], chosen: list[str]) -> dict[str, str]:
    """Every key of the *chosen* messages to the one that names its message."""
    known = {key: key for key in chosen}
    for record in records:
        keys = _keys(record)
        names = {known[key] for key in keys if key in known}
        if not names:
            continue
        name = record.text("queue_id") or min(names)
        if names != {name}:
            known.update({key: name for key, old in known.items() if old in names})
        known.update(dict.fromkeys(keys, name))
    return known


def _keys(record: Record) -> list[str]:
    return [key for key in (record.text("queue_id"), record.text("instance")) if key]


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
