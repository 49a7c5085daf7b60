"""auth - `tamis auth MESSAGE`: SPF, DKIM, ARC and DMARC of a message, and the field that the milter would add."""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import time
from pathlib import Path
from typing import Any

from tamis.auth import results
from tamis.auth.arc import ArcResult
from tamis.auth.dkim import DkimResult
from tamis.auth.dmarc import DmarcResult
from tamis.auth.facts import Client, Facts, find
from tamis.auth.psl import SuffixList
from tamis.auth.spf import SpfResult
from tamis.cli import zone
from tamis.cli.flags import add_config
from tamis.cli.message_file import read_message
from tamis.log import safe
from tamis.mail import authres
from tamis.outcome import EX_OK

_EPILOG = """\
examples:
  tamis auth message.eml --client 192.0.2.1 --helo mx.example.net --sender a@example.org
  tamis auth - --dns zone.yaml --json < message.eml

exit status:
  0 the facts are told, whatever they are   64 usage   69 a file cannot be read   78 a zone file has mistakes
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("message", metavar="MESSAGE", help="a file, or - for standard input")
    parser.add_argument("--client", metavar="IP", default="", help="the address of the client, for SPF")
    parser.add_argument("--helo", metavar="NAME", default="", help="the name in its HELO or EHLO")
    parser.add_argument("--sender", metavar="ADDRESS", default="", help="MAIL FROM; empty: the null sender")
    add_dns(parser)
    parser.add_argument("--authserv-id", metavar="NAME", default="", help="our name; default: this host's")
    add_time(parser)
    parser.add_argument(
        "--suffix-list",
        metavar="FILE",
        type=Path,
        help="organizational domains by this public suffix list, not by the tree walk",
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def add_dns(parser: argparse.ArgumentParser) -> None:
    """--dns and -c: whom to ask."""
    parser.add_argument("--dns", metavar="ZONE.yaml|resolver", default=zone.SYSTEM, help=zone.HELP)
    add_config(parser, "the configuration, for [dns]")


def add_time(parser: argparse.ArgumentParser) -> None:
    """--time, for messages of another day."""
    parser.add_argument(
        "--time", metavar="SECONDS", type=float, help="verify as of then, since the epoch; default: now"
    )


def run(args: argparse.Namespace) -> int:
    """Print the facts."""
    message = read_message(args.message)
    suffixes = SuffixList(args.suffix_list) if args.suffix_list else None
    ours = args.authserv_id or socket.getfqdn()
    sender = args.sender.removeprefix("<").removesuffix(">")
    client = Client(args.client, args.helo, sender, ours)
    now = time.time() if args.time is None else args.time
    facts = asyncio.run(find(message, client, zone.resolver(args.dns, args.config), now, suffixes))
    value = authres.build(ours, results.written(facts, client))
    if args.json:
        json.dump(as_json(facts, value), sys.stdout, indent=2)
        print()
    else:
        _tell(facts)
        print(f"\n{authres.NAME}: {value}")
    return EX_OK


def as_json(facts: Facts, value: str) -> dict[str, Any]:
    """All facts in plain types; `header` is the value of the field, unfolded."""
    return {
        "spf": spf_json(facts.mailfrom, facts.helo),
        "dkim": [dkim_json(fact) for fact in facts.dkim],
        "dmarc": dmarc_json(facts.dmarc),
        "arc": arc_json(facts.arc),
        "header": f"{authres.NAME}: " + value.replace("\n\t", " "),
    }


def spf_json(mailfrom: SpfResult | None, helo: SpfResult | None) -> dict[str, Any]:
    """mailfrom and helo are results as words."""
    return {
        "mailfrom": mailfrom.result if mailfrom else "none",
        "helo": helo.result if helo else "none",
        "mailfrom_domain": mailfrom.domain if mailfrom else "",
        "helo_domain": helo.domain if helo else "",
        "explanation": mailfrom.explanation if mailfrom and mailfrom.explained else "",
    }


def dkim_json(fact: DkimResult) -> dict[str, Any]:
    """One signature."""
    return {
        "domain": fact.domain,
        "selector": fact.selector,
        "result": fact.result,
        "reason": fact.reason,
        "trusted": fact.trusted,
        "algorithm": fact.algorithm,
        "identity": fact.identity,
        "signature": fact.signature,
        "fields": list(fact.fields),
        "body_length": fact.body_length,
        "uncovered_bytes": fact.uncovered_bytes,
        "key_bits": fact.key_bits,
        "testing": fact.testing,
    }


def dmarc_json(fact: DmarcResult) -> dict[str, Any]:
    """The judgement and what it stands on."""
    return {
        "result": fact.result,
        "from_domain": fact.from_domain,
        "organizational_domain": fact.organizational_domain,
        "policy": fact.policy,
        "disposition": fact.disposition,
        "spf_aligned": fact.spf_aligned,
        "dkim_aligned": fact.dkim_aligned,
        "record": fact.record.text if fact.record else "",
        "record_domain": fact.record.domain if fact.record else "",
        "testing": fact.record.testing if fact.record else False,
        "pct": fact.record.pct if fact.record else 100,
        "reason": fact.reason,
    }


def arc_json(fact: ArcResult) -> dict[str, Any]:
    """The chain."""
    return {
        "cv": fact.cv,
        "reason": fact.reason,
        "oldest_pass": fact.oldest_pass,
        "temporary": fact.temporary,
        "hops": [{"instance": h.instance, "domain": h.domain, "selector": h.selector} for h in fact.hops],
    }


def tell_dkim(fact: DkimResult) -> str:
    """A line for people."""
    bits = f", {fact.key_bits} bits" if fact.key_bits and fact.algorithm.startswith("rsa") else ""
    who = f"d={fact.domain or '?'} s={fact.selector or '?'} ({fact.algorithm or 'unknown'}{bits})"
    return safe(f"dkim   {fact.result:<10} {who}{': ' if fact.reason else ''}{fact.reason}")


def tell_arc(fact: ArcResult) -> str:
    """A line for people."""
    hops = " ".join(f"{hop.instance}:{hop.domain}" for hop in fact.hops)
    return safe(f"arc    {fact.cv:<10} {fact.reason or hops}")


def _tell(facts: Facts) -> None:
    for label, fact in (("mailfrom", facts.mailfrom), ("helo", facts.helo)):
        if fact is not None:
            why = f": {fact.explanation}" if fact.explanation else ""
            print(safe(f"spf    {fact.result:<10} {label} {fact.domain}{why}"))
    for signature in facts.dkim or (DkimResult(result="none"),):
        print(tell_dkim(signature) if signature.result != "none" else "dkim   none")
    judged = facts.dmarc
    asked = f" policy={judged.policy} disposition={judged.disposition}" if judged.policy else ""
    why = f": {judged.reason}" if judged.reason else ""
    print(safe(f"dmarc  {judged.result:<10} from={judged.from_domain or '?'}{asked}{why}"))
    print(tell_arc(facts.arc))
