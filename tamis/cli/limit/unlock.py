"""unlock - `tamis limit unlock LOGIN...`: these accounts may send again, and nothing is held against them."""

from __future__ import annotations

import argparse

from tamis.cli.flags import add_config
from tamis.cli.limit.accounts import with_store
from tamis.log import safe
from tamis.outcome import EX_OK
from tamis.store import Store

NOT_LOCKED = 1
_EPILOG = """\
examples:
  tamis limit unlock alice@example.org

What an account did before is not counted any more, its next lock is a first one again, and whom it has written to is
still known. Change the password first: a thief who still has it is at work at once.

exit status:
  0 all were locked   1 one was not   64 usage   69 the store is away   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("accounts", nargs="+", metavar="LOGIN", help="who is unlocked")
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """A line for each account. Raises ConfigError, and TempFail where the store is away."""
    from policyd.checks.outbound import account_of

    async def story(store: Store, now: float) -> int:
        status = EX_OK
        for login in args.accounts:
            before = await store.lock(account_of(login.lower()), 0.0, now)
            was = "unlocked" if before.locked_until else "was not locked; nothing is held against it any more"
            print(f"{safe(login)}: {was}")
            if not before.locked_until:
                status = NOT_LOCKED
        return status

    return with_store(args.config, story)
