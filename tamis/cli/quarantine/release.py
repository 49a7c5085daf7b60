"""release - `tamis quarantine release ID...`: deliver held messages; what the MTA does not take stays held."""

from __future__ import annotations

import argparse

from tamis.cli.flags import add_config
from tamis.cli.quarantine.places import for_each, open_places
from tamis.log import safe

_EPILOG = """\
examples:
  tamis quarantine release 261124-9f3ac21b07
  tamis quarantine release --recipient alice@example.org 261124-9f3ac21b07
  tamis quarantine release --to postmaster@example.org 261124-9f3ac21b07

A message of our own quarantine is deleted for each recipient when the MTA has taken it for him; with --to it is kept.

exit status:
  0 all are released   1 one is not held   64 usage   69 the MTA has not taken one   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("ids", nargs="+", metavar="ID", help="as `tamis quarantine list` prints it")
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument(
        "--recipient",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="only to this one of its recipients",
    )
    whom.add_argument(
        "--to",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="to somebody else; the message stays held",
    )
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """A line for each delivery. Raises ConfigError, OSError."""
    places = open_places(args)

    def release(name: str) -> None:
        for recipient in places.of(name).release(name, tuple(args.recipient), tuple(args.to)):
            print(f"{safe(name)}: released to {safe(recipient)}", flush=True)

    return for_each(args.ids, release)
