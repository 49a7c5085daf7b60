"""deactivate - `tamis sieve deactivate`: let no script on a server filter mail."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tamis.cli.sieve.managesieve import account
from tamis.cli.sieve.managesieve.command import converse
from tamis.outcome import EX_OK

if TYPE_CHECKING:
    from tamis.cli.sieve.managesieve.session import Session

_EXAMPLES = """\
  tamis sieve deactivate --server mail.example.org --user alice@example.org

The scripts stay on the server, and none of them is used.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    account.arguments(parser, _EXAMPLES)


def run(args: argparse.Namespace) -> int:
    """No script is active then."""

    def work(session: Session) -> int:
        session.activate("")
        print("no script is active")
        return EX_OK

    return converse(args, work)
