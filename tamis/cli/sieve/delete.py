"""delete - `tamis sieve delete NAME...`: take scripts off a server. The active one cannot be deleted."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tamis.cli.sieve.managesieve import account
from tamis.cli.sieve.managesieve.command import converse
from tamis.log import safe
from tamis.outcome import EX_OK

if TYPE_CHECKING:
    from tamis.cli.sieve.managesieve.session import Session

_EXAMPLES = """\
  tamis sieve delete --server mail.example.org --user alice@example.org Holidays

It stops at the first script that the server does not delete.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument("names", nargs="+", metavar="NAME", help="a script, as `tamis sieve list` shows it")
    account.arguments(parser, _EXAMPLES)


def run(args: argparse.Namespace) -> int:
    """66 if there is no such script."""

    def work(session: Session) -> int:
        for name in args.names:
            session.delete(name)
            print(f"{safe(name)}: deleted")
        return EX_OK

    return converse(args, work)
