"""delete - `tamis quarantine delete ID...`: delete held messages, for good and without a word to anybody."""

from __future__ import annotations

import argparse

from tamis.cli.flags import add_config
from tamis.cli.quarantine.places import for_each, open_places
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

    def delete(name: str) -> None:
        places.of(name).delete(name)
        print(f"{safe(name)}: deleted", flush=True)

    return for_each(args.ids, delete)
