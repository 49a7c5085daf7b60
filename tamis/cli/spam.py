"""spam - `tamis spam learn`: teaches rspamd or spamd that a message is spam, or is not.

It reads no configuration: who moves mail out of Junk is a user, and may not read the site's passwords.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from tamis.cli.message_file import STDIN, read_message
from tamis.config.secret import secret_from_file
from tamis.config.units import Unfit
from tamis.outcome import EX_DATAERR, EX_OK, EX_USAGE

_EPILOG = """\
examples:
  tamis spam learn --spam message.eml
  tamis spam learn --ham --scanner spamd --server unix:/run/spamd.sock - < message.eml

exit status:
  0 the filter has learned, or knew it   64 usage   65 there is no message   69 no server has an answer
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The commands, each with its flags."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="spam_command", required=True)
    learn = commands.add_parser("learn", help="say that a message is spam, or is not")
    verdict = learn.add_mutually_exclusive_group(required=True)
    verdict.add_argument("--spam", dest="verdict", action="store_const", const="spam", help="it is")
    verdict.add_argument("--ham", dest="verdict", action="store_const", const="ham", help="it is not")
    learn.add_argument(
        "--scanner", choices=["rspamd", "spamd"], default="rspamd", help="who learns (%(default)s)"
    )
    learn.add_argument(
        "--server",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="where it listens, as in tamis.toml; several: the first that answers. rspamd: its controller. "
        "Default: its own port on this host",
    )
    learn.add_argument("--password-file", metavar="FILE", help="what rspamd's controller wants to hear")
    learn.add_argument("--user", metavar="NAME", default="", help="whose database spamd uses")
    learn.add_argument(
        "message", metavar="MESSAGE", nargs="?", default=STDIN, help="a file; - or none: stdin"
    )


def run(args: argparse.Namespace) -> int:
    """Teach. TempFail where no server has an answer."""
    from milters.scanners import servers
    from milters.scanners.learning import learn

    try:
        password = secret_from_file(args.password_file).reveal() if args.password_file else ""
    except Unfit as exc:
        return _wrong(f"--password-file: {exc}", EX_USAGE)
    if found := [*servers.problems("--server", args.server)] if args.server else []:
        return _wrong(found[0], EX_USAGE)
    message = read_message(args.message)
    if not message.size_bytes:
        return _wrong("there is no message", EX_DATAERR)
    came = asyncio.run(
        learn(
            args.scanner,
            tuple(args.server),
            message.raw,
            args.verdict,
            password=password,
            user=args.user,
            tell=lambda line: print(line, file=sys.stderr),
        )
    )
    print(came)
    return EX_OK


def _wrong(sentence: str, status: int) -> int:
    print(f"tamis spam: {sentence}", file=sys.stderr)
    return status
