"""delete - `tamis quarantine delete ID...`: delete held messages, for good and without a word to anybody."""

from __future__ import annotations

import argparse
import sys

from tamis.cli.quarantine.item import Missing
from tamis.cli.quarantine.places import add_config, open_places, told
from tamis.errors import StatusError
from tamis.log import safe

_EPILOG = """\
examples:
  tamis quarantine delete 261124-9f3ac21b07
  tamis quarantine list --reason antivirus --json | jq -r .id | xargs tamis quarantine delete

exit status:
  0 all are deleted   1 one is not held   64 usage   69 not available   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("ids", nargs="+", metavar="ID", help="as `tamis quarantine list` prints it")
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """A line for each message. Raises ConfigError, OSError."""
    places = open_places(args)
    failed, missing = [], False
    for name in args.ids:
        try:
            places.of(name).delete(name)
            print(f"{safe(name)}: deleted", flush=True)
        except Missing as exc:
            missing = True
            print(f"tamis quarantine: {exc}", file=sys.stderr)
        except StatusError as exc:
            failed.append(exc.text)
    return told(failed, missing)
