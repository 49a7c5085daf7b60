"""activate - `tamis sieve activate NAME`: let a script on a server filter mail from now on, instead of another one."""

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
  tamis sieve activate --server mail.example.org --user alice@example.org Holidays

One script at most is active.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument("name", metavar="NAME", help="the script, as `tamis sieve list` shows it")
    account.arguments(parser, _EXAMPLES)


def run(args: argparse.Namespace) -> int:
    """66 if there is no such script; then the active one stays."""

    def work(session: Session) -> int:
        session.activate(args.name)
        print(f"{safe(args.name)}: active")
        return EX_OK

    return converse(args, work)
