"""digest - `tamis quarantine digest`: a mail to each user, and to admins, about what is held and was not told yet."""

from __future__ import annotations

import argparse
import re
import smtplib
import subprocess
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tamis.cli.flags import add_config
from tamis.cli.quarantine.item import Item
from tamis.cli.quarantine.places import NOT_FOUND, Places, open_places, told
from tamis.config.units import format_duration
from tamis.log import safe
from tamis.mta import NotTaken

if TYPE_CHECKING:
    from milters.quarantine.config import DigestConfig

_ADDRESS = re.compile(r"[^\s<>,\x00-\x1f\x7f]{1,255}@[^\s<>,@\x00-\x1f\x7f]{1,255}")
_EPILOG = """\
examples:
  tamis quarantine digest
  tamis quarantine digest --dry-run
  tamis quarantine digest --to-admin security@example.org

Whom it tells of what, [milter.quarantine.digest] says: users of their own, admins of everything. It is meant for
cron(8) or a timer, once a day. A message is told to nobody twice.

exit status:
  0 mails are sent, or there was nothing to tell   1 nobody is to be told   64 usage   69 the MTA has not taken one
  78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "--to-admin", action="append", metavar="ADDRESS", help="tell only this admin; no user"
    )
    parser.add_argument("--all", action="store_true", help="tell of messages that were told already, too")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the mails, and send and remember nothing"
    )
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """A line for each mail. Raises ConfigError, TempFail, OSError."""
    from milters.quarantine.cabinet import Cabinet
    from milters.quarantine.digest import Told

    places = open_places(args)
    config = places.config.digest
    if not (args.to_admin or config.users or config.admin):
        print("nobody is to be told: [milter.quarantine.digest] names neither users nor admin")
        return NOT_FOUND
    items = places.items()
    memory = Told(Cabinet(places.config.directory))
    failed = []
    for recipient, theirs in _letters(items, config, args.to_admin):
        new = [item for item in theirs if args.all or not memory.knows(item.id, recipient)]
        if not new:
            continue
        if problem := _tell(places, recipient, new, args.dry_run):
            failed.append(problem)
        elif not args.dry_run:
            memory.note((item.id for item in new), recipient)
            print(f"{safe(recipient)}: told of {len(new)}", flush=True)
    if not args.dry_run:
        memory.forget_all_but({item.id for item in items})
    return told(failed, found_none=False)


def _letters(
    items: list[Item], config: DigestConfig, admins: list[str] | None
) -> Iterator[tuple[str, list[Item]]]:
    """Who may be told of which messages."""
    from milters.addressed import matches

    for admin in admins if admins is not None else config.admin:
        yield admin, items
    if admins is not None or not config.users:
        return
    theirs: dict[str, list[Item]] = {}
    for item in items:
        for recipient in {each.lower() for each in item.recipients}:
            if _ADDRESS.fullmatch(recipient) and matches(recipient, config.users):
                theirs.setdefault(recipient, []).append(item)
    yield from sorted(theirs.items())


def _tell(places: Places, recipient: str, items: list[Item], dry_run: bool) -> str:
    """What went wrong; "" for nothing."""
    from milters.quarantine.digest import entry, mail
    from milters.quarantine.mark import marker

    config, now = places.config, time.time()
    keep = format_duration(config.keep) if config.keep else "an unlimited time"
    entries = [
        entry(item.id, item.time_s, item.author or item.sender, item.subject, item.why()) for item in items
    ]
    message = mail(config.digest, recipient, entries, places.hostname, keep, now)
    if dry_run:
        print(f"To: {message['To']}\nSubject: {message['Subject']}\n\n{message.get_content()}")
        return ""
    try:
        raw = marker(config.directory).mark("digest", message.as_bytes(), now)
        config.mta.send(raw, "", recipient, places.hostname)
    except (NotTaken, OSError, smtplib.SMTPException, subprocess.SubprocessError, ValueError) as exc:
        return f"the MTA has not taken the mail to {safe(recipient)}: {exc}"
    return ""
