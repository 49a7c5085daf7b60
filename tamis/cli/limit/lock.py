"""lock - `tamis limit lock LOGIN...`: mail from these accounts is refused, by the check outbound of tamis-policyd."""

from __future__ import annotations

import argparse
import math
import sys

from tamis.cli.flags import add_config, lasting
from tamis.cli.limit.accounts import in_store, line
from tamis.cli.programs import policyd_obeys
from tamis.outcome import EX_OK, EX_UNAVAILABLE
from tamis.store import Store

_EPILOG = """\
examples:
  tamis limit lock alice@example.org
  tamis limit lock --for 6h alice@example.org bob@example.org

A login is written as Postfix logs it: sasl_username=alice@example.org. Locks hold where [policyd.checks.NAME] has
check = "outbound"; mail that is in the queue already stays there: mailq, postsuper.

exit status:
  0 done   64 usage   69 the store is away, or no check would refuse anybody   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("accounts", nargs="+", metavar="LOGIN", help="who is locked")
    parser.add_argument(
        "--for",
        dest="life",
        metavar="TIME",
        type=lasting(10 * 365 * 86400, "a lock lasts a second at least, and ten years at most"),
        default=math.inf,
        help="6h, 3d (default: until unlocked)",
    )
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """A line for each account. Raises ConfigError, and TempFail where the store is away."""
    from policyd.checks.outbound import Outbound, account_of
    from policyd.checks.outbound_signals import LOCK

    root, checks = policyd_obeys(args.config)
    modes = {each.mode for each in checks if isinstance(each.check, Outbound)}
    if not modes - {"off"}:
        print(
            "tamis limit: nobody is locked, for no table [policyd.checks.NAME] is an outbound that is asked",
            file=sys.stderr,
        )
        return EX_UNAVAILABLE
    if "enforce" not in modes:
        print('tamis limit: outbound has mode = "shadow": mail from locked accounts passes', file=sys.stderr)

    async def story(store: Store, now: float) -> int:
        for login in args.accounts:
            account = account_of(login.lower())
            await store.lock(account, args.life, now, LOCK)
            print(line(login, (await store.watch(account, (), now)).standing))
        return EX_OK

    return in_store(root.store, story)
