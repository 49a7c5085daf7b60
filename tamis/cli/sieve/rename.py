"""rename - `tamis sieve rename OLD NEW`: give a script on a server another name. If it is active, it stays so."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING
from unicodedata import normalize

from tamis.cli.sieve.managesieve import account
from tamis.cli.sieve.managesieve.command import converse
from tamis.log import safe
from tamis.outcome import EX_OK

if TYPE_CHECKING:
    from tamis.cli.sieve.managesieve.session import Session

_EXAMPLES = """\
  tamis sieve rename --server mail.example.org --user alice@example.org Holidays Summer
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument("old", metavar="OLD", help="its name, as `tamis sieve list` shows it")
    parser.add_argument("new", metavar="NEW", help="a name that no script has")
    account.arguments(parser, _EXAMPLES)


def run(args: argparse.Namespace) -> int:
    """66 if there is no such script, 73 if the new name is in use."""

    def work(session: Session) -> int:
        session.rename(args.old, normalize("NFC", args.new))
        print(f"{safe(args.old)}: now {safe(args.new)}")
        return EX_OK

    return converse(args, work)
