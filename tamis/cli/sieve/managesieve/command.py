"""command - what all ManageSieve commands do around their own work: log in, log out, and say what went wrong."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from tamis.cli.sieve.managesieve.account import account, password
from tamis.cli.sieve.managesieve.trouble import Trouble

if TYPE_CHECKING:
    from tamis.cli.sieve.managesieve.session import Session


def converse(args: argparse.Namespace, work: Callable[[Session], int]) -> int:
    """Log in, have *work* done, log out; its exit status, or that of the trouble, which is told."""
    from tamis.cli.sieve.managesieve.session import Session

    try:
        who = account(args)
        with Session(who, password(args, who)) as session:
            return work(session)
    except Trouble as trouble:
        return told(args, trouble)


def told(args: argparse.Namespace, trouble: Trouble) -> int:
    """Print *trouble* and what to do next; its exit status."""
    print(f"tamis sieve {args.group_command}: {trouble}", file=sys.stderr)
    if trouble.advice:
        print(f"    {trouble.advice}", file=sys.stderr)
    return trouble.status
