"""user - `tamis user ADDRESS...`: whose mail an address is, where it goes, and which database says so ([lda.users])."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from tamis.cli.flags import add_config
from tamis.cli.programs import lmtpd_obeys
from tamis.errors import StatusError, TempFail
from tamis.log import Log, safe
from tamis.outcome import EX_NOUSER, EX_OK, EX_TEMPFAIL

if TYPE_CHECKING:
    from lda.config import Root
    from lda.users import User
    from lda.users.chain import Explanation, Users

_SHOWN = (
    "status", "text", "cause", "user", "database", "extension", "uid", "gid", "home", "mail", "format", "layout",
)  # fmt: skip

_EPILOG = """\
examples:
  tamis user alice@example.org
  tamis user --json info+lists@example.org | jq -r .home

exit status:
  0 all are users   67 one is unknown   75 a database cannot say   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("addresses", nargs="+", metavar="ADDRESS")
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="an object for each address, one a line")


def run(args: argparse.Namespace) -> int:
    """Tell of each address; the worst exit status. Raises ConfigError."""
    root = lmtpd_obeys(args.config)
    return asyncio.run(_tell_all(args.addresses, root, as_json=args.json))


async def _tell_all(addresses: list[str], root: Root, *, as_json: bool) -> int:
    from lda.users.config import make_users

    log = Log(lambda line: print(line.rstrip("\n"), file=sys.stderr))
    users = make_users(root.lda.users, log)
    try:
        return max([await _tell(address, users, root, as_json=as_json) for address in addresses])
    finally:
        await users.close()


async def _tell(address: str, users: Users, root: Root, *, as_json: bool) -> int:
    explanation = await users.explain(address)
    facts = {"address": address, **_facts(explanation, root), "steps": list(explanation.steps)}
    print(json.dumps(facts) if as_json else _text(facts))
    status = facts.get("status", "")
    return EX_NOUSER if status[:1] == "5" else EX_TEMPFAIL if status else EX_OK


def _facts(explanation: Explanation, root: Root) -> dict[str, Any]:
    """What is known, by the names that --json has."""
    from lda.users.chain import Found

    found = explanation.outcome
    if not isinstance(found, Found):
        return _failure(found)
    user = found.user
    facts = {
        "user": user.name,
        "database": found.database,
        "extension": found.detail,
        "uid": user.uid,
        "gid": user.gid,
        "home": str(user.home),
        "fields": dict(user.fields),
    }
    try:
        return facts | _place(user, root)
    except TempFail as exc:
        return facts | _failure(exc)


def _place(user: User, root: Root) -> dict[str, Any]:
    """Where the mail goes, and how it lies there. Raises TempFail."""
    from lda.store import layout_of

    place = layout_of(user, root.lda.maildir, root.lda.quota).location
    form = "mbox" if place.mbox else "maildir"
    return {"mail": str(place.path), "format": form, "layout": place.layout or root.lda.maildir.layout}


def _failure(exc: StatusError) -> dict[str, Any]:
    """With the cause, which peers are not told."""
    cause = exc.__cause__
    told = {"status": exc.status, "text": exc.text}
    return told if cause is None else {**told, "cause": str(cause) or type(cause).__name__}


def _text(facts: dict[str, Any]) -> str:
    """A block of lines."""
    lines = [safe(facts["address"])]
    lines += [f"  {name:<10}{safe(str(facts[name]))}" for name in _SHOWN if facts.get(name)]
    lines += [f"  {'field':<10}{safe(f'{name}={value}')}" for name, value in facts.get("fields", {}).items()]
    lines += [f"  {'because' if not n else '':<10}{safe(step)}" for n, step in enumerate(facts["steps"])]
    return "\n".join(lines)
