"""srs - `tamis srs ADDRESS...`: senders as redirects rewrite them, and whom a rewritten one stands for ([lda.srs])."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from tamis.cli.flags import add_config
from tamis.cli.programs import lmtpd_obeys
from tamis.outcome import EX_OK

if TYPE_CHECKING:
    from tamis.srs import SrsConfig

UNREADABLE = 1

_EPILOG = """\
examples:
  tamis srs alice@example.org
  tamis srs SRS0=RV3s=JN=a.example=s@ours.example

exit status:
  0 all could be read   1 a rewritten address could not   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("addresses", nargs="+", metavar="ADDRESS")
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """A line for each address. Raises ConfigError."""
    config = lmtpd_obeys(args.config).lda.srs
    if not config.domain:
        print("tamis srs: [lda.srs] has no domain: senders are not rewritten", file=sys.stderr)
        return UNREADABLE
    return max(_tell(address, config) for address in args.addresses)


def _tell(address: str, config: SrsConfig) -> int:
    from tamis.srs import BadAddress, forward, reverse

    now = time.time()
    if address.rpartition("@")[2].lower() != config.domain.lower():
        print(f"{address} -> {forward(config, address, now)}")
        return EX_OK
    try:
        print(f"{address} -> {reverse(config, address, now)}")
    except BadAddress as exc:
        print(f"{address}: {exc}", file=sys.stderr)
        return UNREADABLE
    return EX_OK
