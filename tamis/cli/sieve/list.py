"""list - `tamis sieve list`: the scripts on a server, and which of them is the active one."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from tamis.cli.sieve.managesieve import account
from tamis.cli.sieve.managesieve.command import converse
from tamis.log import safe
from tamis.outcome import EX_OK

if TYPE_CHECKING:
    from tamis.cli.sieve.managesieve.session import Session

_EXAMPLES = """\
  tamis sieve list --server mail.example.org --user alice@example.org
  tamis sieve list --server sieve://alice@mail.example.org/ --json

The active script has a star.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument("--json", action="store_true", help="the scripts as a JSON list")
    account.arguments(parser, _EXAMPLES)


def run(args: argparse.Namespace) -> int:
    """Print the names; 0, even if there are none."""

    def work(session: Session) -> int:
        scripts = session.scripts()
        if args.json:
            print(json.dumps([asdict(script) for script in scripts]))
            return EX_OK
        for script in scripts:
            print(f"{'*' if script.active else ' '} {safe(script.name)}")
        if not any(script.active for script in scripts):
            print("no script is active", file=sys.stderr)
        return EX_OK

    return converse(args, work)
