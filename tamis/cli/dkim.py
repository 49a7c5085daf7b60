"""dkim - `tamis dkim sign|verify|keygen|check`: signatures of message files, keys and their DNS records."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Literal

from tamis.auth import dkim, dkim_sign
from tamis.auth.dkim_key import BadKey
from tamis.auth.dkim_signature import host
from tamis.auth.keys import make_key, zone_line
from tamis.auth.publication import faults
from tamis.cli import dkim_keys, zone
from tamis.cli.auth import add_dns, add_time, dkim_json, tell_dkim
from tamis.cli.message_file import read_message, write_with
from tamis.cli.signing import add_signing, key_of, moment_of, signer_of
from tamis.errors import ConfigError, Problem
from tamis.outcome import EX_OK, EX_USAGE

NOT_GOOD = 1

_EPILOG = """\
examples:
  tamis dkim keygen example.org 2026a                     a key, and the record to publish
  tamis dkim check example.org 2026a --key 2026a.example.org.key
  tamis dkim check                                        all keys of tamis.toml, the next ones too
  tamis dkim sign message.eml --key 2026a.example.org.key --domain example.org --selector 2026a
  tamis dkim verify message.eml

exit status:
  0 well   1 no signature passes, or the record is not that of the key   64 usage   69 a file cannot be read
  78 a key or a zone file is wrong
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The commands, each with its flags."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="dkim_command")
    _sign_arguments(commands.add_parser("sign", help="add a DKIM-Signature to a message"))
    verify = commands.add_parser("verify", help="say whether the signatures of a message are good")
    verify.add_argument("message", metavar="MESSAGE", help="a file, or - for standard input")
    add_dns(verify)
    add_time(verify)
    verify.add_argument("--json", action="store_true", help="for programs")
    keygen = commands.add_parser("keygen", help="make a key and print the record to publish")
    _named(keygen)
    keygen.add_argument("--type", choices=["rsa", "ed25519"], default="rsa", help="(default: %(default)s)")
    keygen.add_argument("--bits", metavar="N", type=int, default=2048, help="of an rsa key (%(default)s)")
    keygen.add_argument(
        "--output", metavar="FILE", type=Path, help="the new file; default: SELECTOR.DOMAIN.key"
    )
    check = commands.add_parser(
        "check",
        help="look whether the record in DNS is good, and that of a key; or those of all that sign here",
    )
    _named(check, "?")
    check.add_argument("--key", metavar="FILE", type=Path, help="the private key that it should belong to")
    add_dns(check)
    parser.set_defaults(print_help=parser.print_help)


def _sign_arguments(sign: argparse.ArgumentParser) -> None:
    sign.add_argument("message", metavar="MESSAGE", help="a file, or - for standard input")
    add_signing(sign)
    sign.add_argument("--identity", metavar="ADDRESS", default="", help="i=; default: none")
    sign.add_argument("--expire", metavar="SECONDS", type=int, default=0, help="x= so long after t=")


def _named(parser: argparse.ArgumentParser, nargs: Literal["?"] | None = None) -> None:
    parser.add_argument("domain", metavar="DOMAIN", nargs=nargs, help="who signs")
    parser.add_argument(
        "selector", metavar="SELECTOR", nargs=nargs, help="the name of the key below _domainkey"
    )


def run(args: argparse.Namespace) -> int:
    """Run one of them; its exit status."""
    if not args.dkim_command:
        args.print_help()
        return EX_USAGE
    return {"sign": _sign, "verify": _verify, "keygen": _keygen, "check": _check}[args.dkim_command](args)


def _sign(args: argparse.Namespace) -> int:
    if args.expire < 0:
        raise ConfigError([Problem("--expire", 0, "", f"{args.expire} s are no time")])
    message = read_message(args.message)
    signer = signer_of(args, identity=args.identity, lifetime_s=args.expire)
    field = dkim_sign.sign(message, signer, moment_of(args)) + b"\r\n"
    if args.fields_only:
        sys.stdout.write(field.decode("utf-8").replace("\r\n", "\n"))
    else:
        write_with(field, message)
    return EX_OK


def _verify(args: argparse.Namespace) -> int:
    message = read_message(args.message)
    now = time.time() if args.time is None else args.time
    facts = asyncio.run(dkim.verify(message, zone.resolver(args.dns, args.config), now))
    if args.json:
        print(json.dumps([dkim_json(fact) for fact in facts], indent=2))
    else:
        print("\n".join(map(tell_dkim, facts)) or "dkim   none")
    return EX_OK if any(fact.trusted for fact in facts) else NOT_GOOD


def _name(args: argparse.Namespace) -> str:
    domain, selector = host(args.domain), host(args.selector)
    if not domain or not selector:
        wrong = args.selector if domain else args.domain
        raise ConfigError([Problem("", 0, wrong, "is no domain name")])
    return f"{selector}._domainkey.{domain}"


def _keygen(args: argparse.Namespace) -> int:
    """The file is new: a key that is in use is never overwritten."""
    name = _name(args)
    path = args.output or Path(f"{args.selector}.{args.domain}.key")
    try:
        key = make_key(args.type, args.bits)
    except BadKey as exc:
        print(f"tamis dkim: {exc}", file=sys.stderr)
        return EX_USAGE
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.pem)
    print(f"key: {path}", file=sys.stderr)
    print(zone_line(name, key.record))
    return EX_OK


def _check(args: argparse.Namespace) -> int:
    """Every record of the selector; without one, those of all keys of the configuration."""
    dns = zone.resolver(args.dns, args.config)
    if not args.domain:
        return dkim_keys.check(args.config, dns)
    if not args.selector:
        print("tamis dkim: a domain wants a selector", file=sys.stderr)
        return EX_USAGE
    name = _name(args)
    wanted = key_of(args.key).public if args.key else None
    found = asyncio.run(faults(name, wanted, dns))
    for fault in found:
        print(f"{name}: {fault}")
    if not found:
        print(f"{name}: good{' and that of the key' if wanted else ''}")
    return NOT_GOOD if found else EX_OK
