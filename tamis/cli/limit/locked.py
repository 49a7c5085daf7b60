"""locked - `tamis limit locked [LOGIN...]`: the accounts that are locked, and until when."""

from __future__ import annotations

import argparse

from tamis.cli.flags import add_config
from tamis.cli.limit.accounts import as_json, line, with_store
from tamis.outcome import EX_OK
from tamis.store import Store
from tamis.store.accounts import Standing

NOBODY = 1
_EPILOG = """\
examples:
  tamis limit locked
  tamis limit locked --json alice@example.org

exit status:
  0 somebody is locked   1 nobody   64 usage   69 the store is away   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "accounts", nargs="*", metavar="LOGIN", help="whom to look at (default: all who are locked)"
    )
    parser.add_argument("--json", action="store_true", help="an object for each account, one a line")
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """A line for each account. Raises ConfigError, and TempFail where the store is away."""

    async def story(store: Store, now: float) -> int:
        found = await _found(store, now, args.accounts)
        for login, standing in found:
            print(as_json(login, standing) if args.json else line(login, standing))
        return EX_OK if any(standing.locked_until for _, standing in found) else NOBODY

    return with_store(args.config, story)


async def _found(store: Store, now: float, logins: list[str]) -> list[tuple[str, Standing]]:
    from policyd.checks.outbound import SUBJECT, account_of

    if logins:
        return [(login, (await store.watch(account_of(login.lower()), (), now)).standing) for login in logins]
    return [(name.removeprefix(SUBJECT), standing) for name, standing in await store.locked(now)]
