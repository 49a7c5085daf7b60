"""expire - `tamis quarantine expire`: delete what has been held for longer than the configuration keeps it."""

from __future__ import annotations

import argparse
import time

from tamis.cli.flags import add_config
from tamis.cli.quarantine.places import open_places
from tamis.outcome import EX_OK

_EPILOG = """\
The milter does so now and then, when it puts a message in. The hold queue of Postfix is left alone.

exit status:
  0 done   64 usage   69 not available   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """How many there were. Raises ConfigError, OSError."""
    from milters.quarantine.cabinet import Cabinet

    config = open_places(args).config
    count = Cabinet(config.directory).expire(time.time() - config.keep) if config.keep else 0
    print(f"{count} deleted")
    return EX_OK
