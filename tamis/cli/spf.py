"""spf - `tamis spf`: may this client send mail from this address? RFC 7208, from DNS or from a zone in a file."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import TYPE_CHECKING

from tamis.cli import zone
from tamis.cli.flags import add_config
from tamis.errors import ConfigError
from tamis.outcome import EX_CONFIG, EX_DATAERR, EX_NOINPUT, EX_OK

if TYPE_CHECKING:
    from tamis.auth.spf import SpfResult

_EPILOG = """\
examples:
  tamis spf --client 192.0.2.1 --helo mx.example.org --sender alice@example.org
  tamis spf --client 192.0.2.1 --helo mx.example.org --dns zone.yaml --json

zone.yaml, where nothing is asked of the network:

  example.org:
    - TXT: "v=spf1 mx -all"
    - MX: [10, mx.example.org]
  mx.example.org:
    - A: 192.0.2.1
  slow.example.org:
    - TIMEOUT

exit status:
  0 there is a result, whatever it is   65 the zone is wrong   66 it cannot be read   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("--client", metavar="IP", required=True, help="the address of the client")
    parser.add_argument("--helo", metavar="NAME", default="", help="what it says at HELO or EHLO")
    parser.add_argument(
        "--sender", metavar="ADDR", default="", help="MAIL FROM; without it, or empty: HELO is judged"
    )
    parser.add_argument(
        "--dns", metavar="ZONE.yaml|resolver", default=zone.SYSTEM, help="where names are looked up"
    )
    parser.add_argument(
        "--receiver", metavar="NAME", default="unknown", help="our name, for explanations (the macro r)"
    )
    add_config(parser, "the configuration, for [dns]")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the result."""
    from tamis.auth.spf import mail_from

    try:
        resolver = zone.resolver(args.dns, args.config)
    except OSError as exc:
        print(f"tamis spf: {args.dns}: {exc.strerror}", file=sys.stderr)
        return EX_NOINPUT
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        return EX_CONFIG if args.dns == zone.SYSTEM else EX_DATAERR
    found = asyncio.run(mail_from(resolver, args.client, args.sender, args.helo, args.receiver))
    _tell(found, as_json=args.json)
    return EX_OK


def _tell(found: SpfResult, *, as_json: bool) -> None:
    """Explanations that are not the domain's own are none: they would only repeat the result."""
    explanation = found.explanation if found.explained else ""
    if as_json:
        fields = {
            "result": found.result,
            "explanation": explanation,
            "identity": "mailfrom" if found.scope == "mfrom" else "helo",
            "domain": found.domain,
        }
        print(json.dumps(fields))
    else:
        print(found.result, explanation, sep=": " if explanation else "")
