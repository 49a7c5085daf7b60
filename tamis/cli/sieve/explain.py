"""explain - `tamis sieve explain SCRIPT MESSAGE`: what a script does with a message, test by test, and why."""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tamis.cli.message_file import read_octets
from tamis.cli.sieve.check import add_arguments, findings_record, library, tell
from tamis.cli.sieve.site import site_of
from tamis.errors import TamisError
from tamis.outcome import EX_NOINPUT, EX_OK, EX_USAGE

if TYPE_CHECKING:
    from lda.explain.site import Site
    from lda.sieve import Script

FAILED = 1
MAX_MESSAGE_BYTES = 256 << 20

_EPILOG = """\
examples:
  tamis sieve explain ~/.dovecot.sieve message.eml
  tamis sieve explain -f list@example.net -r alice+news@example.org main.sieve - < message.eml
  tamis sieve explain --now 2026-12-24T18:00 --maildir ~/Maildir vacation.sieve message.eml

Nothing is stored or sent, no program is run. Without --maildir every mailbox exists; no message has been seen before.
The envelope is that of Return-Path and Delivered-To where it is not given.

exit status:
  0 the script ran   1 it has errors, or failed while running   64 usage   66 nothing to read
  78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("script", metavar="SCRIPT", help="the script; - reads it from stdin")
    parser.add_argument("message", metavar="MESSAGE", help="a file with one message; - reads it from stdin")
    parser.add_argument("-f", "--sender", metavar="ADDRESS", help="envelope sender; '' is the null sender")
    parser.add_argument("-r", "--recipient", metavar="ADDRESS", help="envelope recipient")
    parser.add_argument(
        "-a",
        "--original-recipient",
        metavar="ADDRESS",
        help="the recipient before aliases, if it was another",
    )
    parser.add_argument(
        "--now", metavar="TIME", type=_moment, help="the time of delivery, as 2026-12-24T18:00"
    )
    parser.add_argument("--maildir", metavar="DIR", type=Path, help="whose mailboxes exist")
    add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="everything, as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Tell the story; 1 if the script is wrong. Raises ConfigError."""
    if args.script == args.message == "-":
        print("tamis sieve explain: only one of script and message can come from stdin", file=sys.stderr)
        return EX_USAGE
    if args.maildir is not None and not (args.maildir / "cur").is_dir():
        print(f"tamis sieve explain: {args.maildir}: is no Maildir", file=sys.stderr)
        return EX_NOINPUT
    try:
        site = site_of(args.config, here=True)
        source, raw = read(args.script), read(args.message)
    except OSError as exc:
        print(f"tamis sieve explain: {exc.filename}: {exc.strerror}", file=sys.stderr)
        return EX_NOINPUT
    return _explain(args, site, source, raw)


def _explain(args: argparse.Namespace, site: Site, source: bytes, raw: bytes) -> int:
    from lda import sieve

    included = library(args.personal, args.site or site.scripts.site)
    try:
        script = site.compiled(source, args.script, included, traced=True)
    except sieve.ScriptError as error:
        if args.json:
            print(json.dumps({"findings": findings_record(error.diagnostics)}))
        else:
            tell(error.diagnostics, len(error.errors), 1)
        return FAILED
    return _tell(args, site, script, raw)


def _tell(args: argparse.Namespace, site: Site, script: Script, raw: bytes) -> int:
    from lda.explain import record, text
    from lda.explain.mailboxes import UserMailboxes
    from lda.explain.run import Occasion, envelope_of, explained
    from tamis.mail.message import Message

    message = Message(raw)
    occasion = Occasion(
        message=message,
        envelope=envelope_of(message, args.sender, args.recipient, args.original_recipient),
        now=args.now or datetime.now().astimezone(),
    )
    told = explained(script, occasion, site, UserMailboxes(site, args.maildir))
    if args.json:
        print(json.dumps({**record.of(told), "findings": findings_record(script.warnings)}))
    else:
        for warning in script.warnings:
            print(warning.render())
        for line in text.lines(told, text.Paint(coloured())):
            print(line)
    return EX_OK if told.plan.error is None else FAILED


def coloured() -> bool:
    """Whether the output is for a terminal that may have colours (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def read(name: str) -> bytes:
    """The file *name*, stdin for ``-``. Raises OSError; TamisError for one that is too large."""
    raw = read_octets(name, MAX_MESSAGE_BYTES)
    if len(raw) > MAX_MESSAGE_BYTES:
        raise TamisError(f"{name}: larger than {MAX_MESSAGE_BYTES} bytes")
    return raw


def _moment(text: str) -> datetime:
    """A time with a zone; without one it is the local time."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            "must be a time such as 2026-12-24T18:00 or 2026-12-24T18:00+01:00"
        ) from None
