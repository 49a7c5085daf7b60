"""greylist - `tamis greylist show|allow|forget CLIENT...`: how well greylisting knows a client, and to change it.

A client is named by an address, which stands for its network, or by the network itself, or by a domain or a sender,
which stands for the organisation that SPF must confirm. It asks the store that tamis-policyd uses, which need not be
stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

from tamis.cli.flags import add_config, duration
from tamis.cli.programs import policyd_obeys
from tamis.log import safe
from tamis.outcome import EX_OK, EX_USAGE
from tamis.store import Acquaintance, Store, open_store

if TYPE_CHECKING:
    from policyd.checks.greylist import Greylist

STRANGERS = 1
ALLOWED = 1_000_000  # passes that are put down for one who is allowed: more than any known_after

_EPILOG = """\
examples:
  tamis greylist show 192.0.2.7 example.org
  tamis greylist allow --for 90d newsletter@example.net
  tamis greylist forget 2001:db8::7

exit status:
  0 all are known   1 one is a stranger   64 usage   69 the store is away   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("action", choices=("show", "allow", "forget"), help="what to do")
    parser.add_argument(
        "clients", nargs="+", metavar="CLIENT", help="an address, a network, a domain or a sender"
    )
    add_config(parser)
    parser.add_argument(
        "--for", dest="life", metavar="TIME", type=duration, default="365d", help="with allow (default 365d)"
    )
    parser.add_argument("--json", action="store_true", help="an object for each client, one a line")


def run(args: argparse.Namespace) -> int:
    """A line for each client. Raises ConfigError, and TempFail where the store is away."""
    from policyd.checks.greylist import Greylist

    root, checks = policyd_obeys(args.config)
    check = next((each.check for each in checks if isinstance(each.check, Greylist)), None)
    if check is None:
        print("tamis greylist: no table [policyd.checks.NAME] is a greylist", file=sys.stderr)
        return EX_USAGE
    if args.action == "allow" and not check.known_after:
        print("tamis greylist: known_after is 0, so nobody is ever known", file=sys.stderr)
        return EX_USAGE
    try:
        clients = [check.client_of(text) for text in args.clients]
    except ValueError as exc:
        print(f"tamis greylist: {safe(str(exc))}", file=sys.stderr)
        return EX_USAGE
    return asyncio.run(_all(args, check, clients, open_store(root.store)))


async def _all(args: argparse.Namespace, check: Greylist, clients: list[str], store: Store) -> int:
    passes = {"show": None, "allow": ALLOWED, "forget": 0}[args.action]
    status = EX_OK
    try:
        for client in clients:
            found = await store.greylist_client(client, time.time(), passes, args.life if passes else 0.0)
            print(_as_json(client, found, check) if args.json else _line(client, found, check))
            if not found.passes and args.action == "show":
                status = STRANGERS
    finally:
        await store.close()
    return status


def _line(client: str, found: Acquaintance, check: Greylist) -> str:
    name = safe(client)
    if not found.passes:
        return f"{name}: a stranger"
    until = f"until {formatdate(found.until)} and {check.remember / 86400:.0f} days after each message"
    if found.passes >= ALLOWED:
        return f"{name}: allowed, {until}"
    if 0 < check.known_after <= found.passes:
        return f"{name}: known, {until}"
    wanted = f" of {check.known_after}" if check.known_after else ""
    return f"{name}: {found.passes}{wanted} passes, {until}"


def _as_json(client: str, found: Acquaintance, check: Greylist) -> str:
    known = 0 < check.known_after <= found.passes
    return json.dumps({"client": client, "passes": found.passes, "known": known, "until": found.until})
