"""reset - `tamis limit reset KEY...`: make the limits of each as new."""

from __future__ import annotations

import argparse

from tamis.cli.limit.counters import Limits, add_flags, with_limits
from tamis.log import safe
from tamis.outcome import EX_OK

_EPILOG = """\
examples:
  tamis limit reset alice@example.org
  tamis limit reset --check networks 192.0.2.7

What it was granted ends too. A key is written as in `tamis limit show`.

exit status:
  0 done   64 usage   69 the store is away, or no such limit   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("keys", nargs="+", metavar="KEY", help="a login, an address, ...")
    add_flags(parser)


def run(args: argparse.Namespace) -> int:
    """A line for each table and key. Raises ConfigError, TempFail and NoSuchError."""

    async def story(limits: Limits) -> int:
        for key in args.keys:
            for counter in await limits.counters(key, args.check):
                await limits.store.reset(counter.subject, counter.windows)
                print(f"{counter.label}: {safe(counter.key)}: as new")
        return EX_OK

    return with_limits(args, story)
