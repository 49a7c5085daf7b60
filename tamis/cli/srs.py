"""srs - `tamis srs ADDRESS...`: senders as redirects rewrite them, and whom a rewritten one stands for ([lda.srs])."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tamis.cli.programs import assemble_of
from tamis.config.load import default_path, load
from tamis.errors import ConfigError
from tamis.outcome import EX_CONFIG, EX_OK

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
    parser.add_argument("-c", "--config", metavar="FILE", type=Path, help="the configuration")


def run(args: argparse.Namespace) -> int:
    """A line for each address."""
    from lda.config import Root

    try:
        root = load(args.config or default_path(), assemble_of("tamis-lmtpd"))
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        return EX_CONFIG
    assert isinstance(root, Root)
    if not root.lda.srs.domain:
        print("tamis srs: [lda.srs] has no domain: senders are not rewritten", file=sys.stderr)
        return UNREADABLE
    return max(_tell(address, root) for address in args.addresses)


def _tell(address: str, root: object) -> int:
    from lda.config import Root
    from tamis.srs import BadAddress, forward, reverse

    assert isinstance(root, Root)
    config, now = root.lda.srs, time.time()
    if address.rpartition("@")[2].lower() != config.domain.lower():
        print(f"{address} -> {forward(config, address, now)}")
        return EX_OK
    try:
        print(f"{address} -> {reverse(config, address, now)}")
    except BadAddress as exc:
        print(f"{address}: {exc}", file=sys.stderr)
        return UNREADABLE
    return EX_OK
