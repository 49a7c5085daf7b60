"""signing - the flags that say with what a command signs, and the signer that they make."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from tamis.auth.dkim_key import BadKey
from tamis.auth.dkim_sign import Canon, Signer
from tamis.auth.dkim_signature import host
from tamis.auth.keys import SigningKey, is_exposed, read_key
from tamis.errors import ConfigError, Problem

_FIELD_NAME = re.compile(r"[!-9<-~]+")  # without the semicolon that would end the tag
_CANONS = [f"{header}/{body}" for header in ("relaxed", "simple") for body in ("relaxed", "simple")]


def add_signing(parser: argparse.ArgumentParser) -> None:
    """--key and its company."""
    parser.add_argument(
        "--key", metavar="FILE", type=Path, required=True, help="the private key: PEM or base64"
    )
    parser.add_argument("--domain", metavar="DOMAIN", required=True, help="who signs: d=")
    parser.add_argument("--selector", metavar="NAME", required=True, help="where the public key is: s=")
    parser.add_argument(
        "--headers",
        metavar="NAME:NAME...",
        default="",
        help="the entries of h=, exactly; default: the usual ones that are there, and oversigned ones",
    )
    parser.add_argument(
        "--timestamp", metavar="SECONDS", default="", help="t=, since the epoch, or none; default: now"
    )
    parser.add_argument(
        "--canonicalization", choices=_CANONS, default=_CANONS[0], help="c= (default: %(default)s)"
    )
    parser.add_argument("--fields-only", action="store_true", help="print the new fields, not the message")


def signer_of(args: argparse.Namespace, *, identity: str = "", lifetime_s: int = 0) -> Signer:
    """What the flags say. Raises ConfigError, OSError."""
    header_canon, _, body_canon = args.canonicalization.partition("/")
    names = tuple(name.strip() for name in args.headers.split(":") if name.strip())
    if problems := [Problem(flag, 0, "", sentence) for flag, sentence in _problems(args, names, identity)]:
        raise ConfigError(problems)
    return Signer(
        domain=host(args.domain),
        selector=host(args.selector),
        key=key_of(args.key),
        names=names,
        header_canon=cast("Canon", header_canon),
        body_canon=cast("Canon", body_canon),
        identity=identity,
        lifetime_s=lifetime_s,
    )


def _problems(args: argparse.Namespace, names: Sequence[str], identity: str) -> Iterator[tuple[str, str]]:
    """Flags of which comes no signature that verifies."""
    domain = host(args.domain)
    for flag, text in (("--domain", args.domain), ("--selector", args.selector)):
        if not host(text):
            yield flag, f"{text} is no domain name"
    if not all(_FIELD_NAME.fullmatch(name) for name in names):
        yield "--headers", "a name that no field can have"
    elif names and "from" not in (name.lower() for name in names):
        yield "--headers", "a signature must cover From (RFC 6376 section 5.4)"
    _, at, below = identity.rpartition("@")
    if identity and not (at and f".{host(below)}".endswith(f".{domain}")):
        yield "--identity", f"{identity} is not in the domain {args.domain}"
    elif not identity.isprintable() or ";" in identity or " " in identity:
        yield "--identity", "needs quoted-printable (RFC 6376 section 2.11)"


def key_of(path: Path) -> SigningKey:
    """The key at *path*; who lets others read it is told, for a milter will refuse it. Raises ConfigError, OSError."""
    try:
        if is_exposed(path.stat().st_mode):
            print(
                f"warning: {path}: others may read or change the key; the milter refuses it", file=sys.stderr
            )
        return read_key(path, exposed=True)
    except BadKey as exc:
        raise ConfigError([Problem(str(path), 0, "", str(exc).removeprefix(f"{path}: "))]) from exc


def moment_of(args: argparse.Namespace) -> float | None:
    """--timestamp: None for none. Raises ConfigError."""
    if not args.timestamp:
        return time.time()
    if args.timestamp == "none":
        return None
    if not args.timestamp.isdecimal():
        raise ConfigError([Problem("--timestamp", 0, "", f"{args.timestamp} is neither a number nor none")])
    return float(args.timestamp)
