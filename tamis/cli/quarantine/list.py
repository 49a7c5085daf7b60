"""list - `tamis quarantine list`: the messages that are held, oldest first, and why."""

from __future__ import annotations

import argparse
import time

from tamis.cli.flags import add_config, duration
from tamis.cli.quarantine.item import Item
from tamis.cli.quarantine.places import NOT_FOUND, open_places
from tamis.outcome import EX_OK

_EPILOG = """\
examples:
  tamis quarantine list
  tamis quarantine list --recipient alice@example.org --since 2d
  tamis quarantine list --reason antivirus --json

A word of ours with a hyphen is in our own quarantine, any other id in the hold queue of Postfix.

exit status:
  0 messages are held   1 none   64 usage   69 not available   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("--recipient", metavar="ADDRESS", help="only messages to this recipient")
    parser.add_argument("--sender", metavar="ADDRESS", help="only messages from this sender")
    parser.add_argument(
        "--reason", metavar="WORD", help="only messages that this check has held, or for this reason"
    )
    parser.add_argument("--since", metavar="TIME", type=duration, help="only messages not older than 2h, 7d")
    parser.add_argument("--json", action="store_true", help="an object for each message, one a line")
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """A line for each message. Raises ConfigError, TempFail, OSError."""
    now = time.time()
    found = [item for item in open_places(args).items() if _wanted(item, args, now)]
    for item in found:
        print(item.as_json() if args.json else item.line())
    return EX_OK if found else NOT_FOUND


def _wanted(item: Item, args: argparse.Namespace, now: float) -> bool:
    if args.recipient and args.recipient.lower() not in map(str.lower, item.recipients):
        return False
    if args.sender is not None and args.sender.strip("<>").lower() != item.sender.lower():
        return False
    if args.reason and args.reason not in (item.check, item.reason):
        return False
    return args.since is None or item.time_s >= now - args.since
