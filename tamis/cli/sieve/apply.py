"""apply - `tamis sieve apply SCRIPT MAILBOX`: where a script would move the messages of a mailbox; --run moves them."""

from __future__ import annotations

import argparse
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tamis.cli.sieve import apply_report
from tamis.cli.sieve.apply_progress import Progress
from tamis.cli.sieve.check import add_arguments, findings_record, library, tell
from tamis.cli.sieve.site import site_of
from tamis.outcome import EX_NOINPUT, EX_OK, EX_USAGE

if TYPE_CHECKING:
    from lda.explain.site import Site
    from lda.sieve import Script
    from lda.sift.mailbox import Mailbox
    from lda.sift.sift import Order
    from lda.sift.tally import Tally

FAILED = 1
INTERRUPTED = 130

_EPILOG = """\
examples:
  tamis sieve apply rules.sieve ~/Maildir
  tamis sieve apply --verbose --folder Lists rules.sieve ~/Maildir
  tamis sieve apply --run --create --discard-to Trash rules.sieve ~/Maildir
  tamis sieve apply --run rules.sieve imaps://alice@mail.example.org/INBOX

Without --run nothing is changed. With it a message goes to its new mailbox, durably, before it leaves the old one;
interrupted at any moment, none is lost. keep means that a message stays, with the flags that the script gives it.
discard leaves it where it is unless --discard-to or --delete says otherwise. Nothing is ever sent: redirect,
reject, vacation and notify are counted and not done.

The password of an IMAP account is asked for, or taken from --password-file or $TAMIS_IMAP_PASSWORD.

exit status:
  0 all is well   1 the script is wrong, or messages were left alone   64 usage   66 no such mailbox
  69 the mailbox failed   78 a bad configuration   130 interrupted
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("script", metavar="SCRIPT", type=Path, help="the script")
    parser.add_argument("mailbox", metavar="MAILBOX", help="a Maildir, or imaps://USER@HOST[:PORT]/MAILBOX")
    parser.add_argument(
        "--folder", metavar="NAME", default="INBOX", help="of the Maildir; INBOX is the default"
    )
    parser.add_argument("--run", action="store_true", help="do it")
    parser.add_argument("--create", action="store_true", help="make mailboxes that are missing")
    discard = parser.add_mutually_exclusive_group()
    discard.add_argument("--discard-to", metavar="MAILBOX", default="", help="move discarded messages there")
    discard.add_argument("--delete", action="store_true", help="delete discarded messages for good")
    parser.add_argument(
        "-r", "--recipient", metavar="ADDRESS", help="envelope recipient, if not Delivered-To"
    )
    add_arguments(parser)
    parser.add_argument("--password-file", metavar="FILE", type=Path, help="its first line is the password")
    parser.add_argument("--ca-file", metavar="FILE", type=Path, help="trust these certificates (PEM) instead")
    parser.add_argument("-v", "--verbose", action="store_true", help="a line about each message, too")
    parser.add_argument("--json", action="store_true", help="the counts as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Sift; 1 if the script is wrong or something was left alone. Raises ConfigError."""
    if "://" in args.mailbox and args.folder != "INBOX":
        return _refused("--folder: is part of the address of an IMAP mailbox", EX_USAGE)
    from lda import sieve

    try:
        site = site_of(args.config, here=True)
        source = args.script.read_bytes()
    except OSError as exc:
        return _refused(f"{args.script}: {exc.strerror}", EX_NOINPUT)
    included = library(args.personal, args.site or site.scripts.site)
    try:
        script = site.compiled(source, args.script.name, included)
    except sieve.ScriptError as error:
        if args.json:
            print(apply_report.encoded({"findings": findings_record(error.diagnostics)}))
        else:
            tell(error.diagnostics, len(error.errors), 1)
        return FAILED
    return _run(args, script, site)


def _run(args: argparse.Namespace, script: Script, site: Site) -> int:
    try:
        mailbox = _opened(args, site)
    except ValueError as exc:
        if isinstance(exc, OSError):  # a certificate that cannot be trusted is both
            raise
        return _refused(str(exc), EX_USAGE)
    except (NotADirectoryError, FileNotFoundError) as exc:
        return _refused(f"{args.mailbox}: {exc.strerror or exc}", EX_NOINPUT)
    try:
        if args.discard_to and mailbox.is_itself(args.discard_to):
            return _refused("--discard-to: is the mailbox itself", EX_USAGE)
        return _sift(args, script, mailbox, site)
    finally:
        mailbox.close()


def _refused(why: str, status: int) -> int:
    _complain(why)
    return status


def _opened(args: argparse.Namespace, site: Site) -> Mailbox:
    """Raises OSError, TamisError."""
    if "://" in args.mailbox:
        from tamis.cli.sieve.apply_account import opened

        account: Mailbox = opened(args)
        return account
    from lda.folders import BadMailbox
    from lda.sift.maildir import MaildirFolder, act_as_owner

    root = Path(args.mailbox)
    if not any((root / name).is_dir() for name in ("cur", "new")):
        raise NotADirectoryError(0, "is no Maildir")
    act_as_owner(root)
    try:
        return MaildirFolder(root, args.folder, socket.gethostname(), _complain, site)
    except BadMailbox as exc:
        raise FileNotFoundError(0, str(exc)) from exc


def _complain(text: str) -> None:
    print(f"tamis sieve apply: {text}", file=sys.stderr)


def _sift(args: argparse.Namespace, script: Script, mailbox: Mailbox, site: Site) -> int:
    from lda.sift.fate import Discarding
    from lda.sift.sift import Order, Sifting
    from lda.sift.tally import Tally

    order = Order(
        scripts=[script],
        now=datetime.now().astimezone(),
        run=args.run,
        create=args.create,
        discarding=Discarding(args.discard_to, args.delete),
        recipient=args.recipient,
        site=site,
    )
    details: list[dict[str, object]] = []
    tally = Tally()
    with Progress(mailbox.size(), sys.stderr) as progress, _interruptible() as stopped:
        if args.verbose:
            tally.each = apply_report.teller(order, details if args.json else None, progress.hidden)
        Sifting(mailbox, order, tally, watch=progress, stopped=lambda: bool(stopped)).all()
    if args.json:
        print(apply_report.encoded(apply_report.record(args, order, tally, details)))
    else:
        print("\n".join(apply_report.table(mailbox.name, order, tally)))
    return _status(tally, order)


def _status(tally: Tally, order: Order) -> int:
    if tally.interrupted:
        return INTERRUPTED
    return FAILED if tally.failed or tally.missing else EX_OK


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """The signals that have come: the message at hand is finished first. A second one ends at once, as ever."""
    got: list[int] = []

    def note(number: int, _: object) -> None:
        got.append(number)
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield got
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
