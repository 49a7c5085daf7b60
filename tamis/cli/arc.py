"""arc - `tamis arc seal|verify`: the chain of those who handled a message file."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import sys
import time

from tamis.auth import arc, arc_seal
from tamis.auth.arc import ArcResult
from tamis.auth.arc_sets import SEAL, Status
from tamis.cli import zone
from tamis.cli.auth import add_dns, add_time, arc_json, tell_arc
from tamis.cli.message_file import read_message, write_with
from tamis.cli.signing import add_signing, moment_of, signer_of
from tamis.errors import ConfigError, Problem
from tamis.mail import authres
from tamis.mail.message import Message
from tamis.outcome import EX_OK, EX_USAGE

NOT_GOOD = 1

_ARC_RESULT = re.compile(rb"(?:^|;)[ \t]*arc[ \t]*=[ \t]*([a-z]+)", re.IGNORECASE)

_EPILOG = """\
examples:
  tamis arc verify message.eml
  tamis arc seal message.eml --key 2026a.key --domain example.org --selector 2026a --authserv-id mx.example.org

exit status:
  0 well   1 the chain fails or is not there, or could not be made longer   64 usage   69 a file cannot be read
  78 a key or a zone file is wrong
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The commands, each with its flags."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="arc_command")
    verify = commands.add_parser("verify", help="say whether the chain holds")
    seal = commands.add_parser("seal", help="add a set to the chain")
    for sub in (verify, seal):
        sub.add_argument("message", metavar="MESSAGE", help="a file, or - for standard input")
        add_dns(sub)
        add_time(sub)
    verify.add_argument("--json", action="store_true", help="for programs")
    add_signing(seal)
    seal.add_argument(
        "--authserv-id", metavar="NAME", default="", help="whose results are sealed; default: this host's"
    )
    seal.add_argument(
        "--cv",
        choices=["none", "pass", "fail"],
        help="the state of the chain; default: what the results say (arc=pass, arc=fail), else what is found now",
    )
    parser.set_defaults(print_help=parser.print_help)


def run(args: argparse.Namespace) -> int:
    """Run one of them; its exit status."""
    if not args.arc_command:
        args.print_help()
        return EX_USAGE
    return _verify(args) if args.arc_command == "verify" else _seal(args)


def _found(args: argparse.Namespace, message: Message) -> ArcResult:
    now = time.time() if args.time is None else args.time
    return asyncio.run(arc.verify(message, zone.resolver(args.dns, args.config), now))


def _verify(args: argparse.Namespace) -> int:
    fact = _found(args, read_message(args.message))
    print(json.dumps(arc_json(fact), indent=2) if args.json else tell_arc(fact))
    return EX_OK if fact.cv == "pass" else NOT_GOOD


def _seal(args: argparse.Namespace) -> int:
    message = read_message(args.message)
    signer = signer_of(args)
    if SEAL.lower() in (name.lower() for name in signer.names):
        raise ConfigError([Problem("--headers", 0, "", f"must not cover {SEAL} (RFC 8617 section 4.1.2)")])
    results = arc_seal.results_of(message.headers, args.authserv_id or socket.getfqdn())
    cv = args.cv or _status(_found(args, message), results)
    sealed = arc_seal.folded(results)
    fields = arc_seal.seal(message, signer, sealed, cv, moment_of(args)) if results else None
    if fields is None:
        why = "the chain takes no more sets" if results else "no Authentication-Results of ours to seal"
        print(f"tamis arc: {why}", file=sys.stderr)
    text = b"".join(field + b"\r\n" for field in fields or ())
    if args.fields_only:
        sys.stdout.buffer.write(text.replace(b"\r\n", b"\n"))
    else:
        write_with(text, message)
    return EX_OK if fields else NOT_GOOD


def _status(found: ArcResult, results: bytes) -> Status:
    """What our own results say: they were written when the message came, and it may have been changed since, by a
    list for one. Two that say something of the chain cannot both be of this hop. Without any: what is found now."""
    said = [word.lower() for word in _ARC_RESULT.findall(authres.unquoted(results))]
    if said == [b"pass"]:
        return "pass"
    return "fail" if b"fail" in said or len(said) > 1 else found.cv
