"""quota - `tamis quota ADDRESS...`: how much mail users have, and how much they may have ([lda.quota])."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tamis.cli.flags import add_config
from tamis.cli.programs import lmtpd_obeys
from tamis.errors import PermFail, StatusError, TempFail
from tamis.log import Log, safe
from tamis.outcome import EX_NOUSER, EX_OK, EX_TEMPFAIL

if TYPE_CHECKING:
    from lda.config import Root
    from lda.quota.rules import Usage
    from lda.users import User

FULL = 1

_EPILOG = """\
examples:
  tamis quota alice@example.org
  tamis quota --recalculate --json alice@example.org | jq .storage.percent

exit status:
  0 all have room   1 one is full   67 one is unknown   75 it cannot be said   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("addresses", nargs="+", metavar="ADDRESS")
    add_config(parser)
    parser.add_argument(
        "--recalculate", action="store_true", help="count the mail, and write maildirsize anew"
    )
    parser.add_argument("--json", action="store_true", help="an object for each address, one a line")


def run(args: argparse.Namespace) -> int:
    """Tell of each address; the worst exit status. Raises ConfigError."""
    root = lmtpd_obeys(args.config)
    found = asyncio.run(
        _find(args.addresses, root)
    )  # before there is a fork there must be no threads any more
    worst = EX_OK
    for address, user in zip(args.addresses, found, strict=True):
        facts, status = _facts(user, root, anew=args.recalculate)
        print(json.dumps({"address": address, **facts}) if args.json else _text(address, facts))
        worst = max(worst, status)
    return worst


async def _find(addresses: list[str], root: Root) -> list[User | StatusError]:
    """Whose mail each address is, or why that is not known."""
    from lda.users.config import make_users

    users = make_users(root.lda.users, Log(lambda line: print(line.rstrip("\n"), file=sys.stderr)))
    found: list[User | StatusError] = []
    try:
        for address in addresses:
            try:
                found.append((await users.find(address)).user)
            except StatusError as exc:
                found.append(exc)
    finally:
        await users.close()
    return found


def _facts(user: User | StatusError, root: Root, *, anew: bool) -> tuple[dict[str, Any], int]:
    """What is known, by the names that --json has, and the exit status."""
    from lda.quota.rules import rules_of
    from lda.room import measure

    if isinstance(user, StatusError):
        return _failure(user)
    maildir, quota = root.lda.maildir, root.lda.quota
    try:
        limit = rules_of(user.fields, quota.limit, quota.folders).whole
        usage = _as_user(user, lambda: measure(user, maildir, quota, anew=anew))
    except StatusError as exc:
        facts, status = _failure(exc)
        return {"user": user.name, **facts}, status
    if usage is None:
        return {"user": user.name, "text": "an mbox is not counted"}, EX_OK
    parts = {
        "storage": _part(usage.bytes, limit.bytes),
        "messages": _part(usage.messages, limit.messages),
    }
    full = any(part["percent"] is not None and part["percent"] >= 100 for part in parts.values())
    return {"user": user.name, **parts}, FULL if full else EX_OK


def _part(used: int, limit: int) -> dict[str, int | None]:
    return {"used": used, "limit": limit or None, "percent": used * 100 // limit if limit else None}


def _failure(exc: StatusError) -> tuple[dict[str, Any], int]:
    return {"status": exc.status, "text": exc.text}, EX_NOUSER if isinstance(exc, PermFail) else EX_TEMPFAIL


def _as_user(user: User, look: Callable[[], Usage | None]) -> Usage | None:
    """What *look* finds with the user's rights. Raises TempFail."""
    if os.geteuid() == user.uid:
        try:
            return look()
        except OSError as exc:
            raise TempFail("4.3.0", f"The mailbox cannot be read: {exc.strerror or exc}") from exc
    if os.geteuid() != 0:
        raise TempFail("4.3.0", "The mailbox belongs to another account: ask as that one, or as root")
    return _in_child(user, look)


def _in_child(user: User, look: Callable[[], Usage | None]) -> Usage | None:
    """A child that has become the user looks, and tells what it found. Raises TempFail."""
    from lda.forker import become
    from lda.quota.rules import Usage

    ours, its = os.pipe()
    pid = os.fork()
    if pid == 0:
        told: dict[str, Any] = {"text": "The mailbox cannot be read"}
        try:
            become(user)
            usage = look()
            told = {"usage": None if usage is None else [usage.bytes, usage.messages]}
        except StatusError as exc:
            told = {"text": exc.text}
        except OSError as exc:
            told = {"text": f"The mailbox cannot be read: {exc.strerror or exc}"}
        finally:
            os.write(its, json.dumps(told).encode())
            os._exit(0)
    os.close(its)
    with open(ours, "rb") as file:
        answer = json.loads(file.read() or b'{"text": "The mailbox cannot be read"}')
    os.waitpid(pid, 0)
    if "usage" not in answer:
        raise TempFail("4.3.0", answer["text"])
    return None if answer["usage"] is None else Usage(*answer["usage"])


def _text(address: str, facts: dict[str, Any]) -> str:
    """A block of lines."""
    lines = [safe(address)]
    lines += [f"  {name:<10}{safe(facts[name])}" for name in ("status", "text", "user") if name in facts]
    lines += [f"  {name:<10}{_amount(**facts[name])}" for name in ("storage", "messages") if name in facts]
    return "\n".join(lines)


def _amount(used: int, limit: int | None, percent: int | None) -> str:
    return f"{used}, without limit" if limit is None else f"{used} of {limit}, {percent} %"
