"""account - which server, whose scripts and how safely: the flags that all ManageSieve commands share."""

from __future__ import annotations

import argparse
import getpass
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tamis.cli.sieve.managesieve.trouble import Trouble
from tamis.config.secret import secret_from_file
from tamis.config.units import Unfit
from tamis.outcome import EX_NOINPUT, EX_NOPERM, EX_USAGE

DEFAULT_PORT = 4190  # RFC 5804 section 1.8
MAX_CREDENTIAL_BYTES = 255  # of user and password each; what AUTHENTICATE sends fits a quoted string

EPILOG = """\
environment:
  TAMIS_SIEVE_SERVER     the server, where --server is not given
  TAMIS_SIEVE_PASSWORD   the password, where --password-file is not given; without both you are asked

exit status (sysexits.h):
  0 done   64 usage   65 errors in a script   66 no such script or file   69 the server cannot be reached or says no
  73 no room on the server   75 try again later   76 the server does not speak ManageSieve   77 not logged in
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """starttls: off sends everything as it is, the password too. ca: authorities to trust, None: the system's."""

    host: str
    port: int
    user: str
    starttls: bool = True
    verify: bool = True
    ca: Path | None = None
    timeout_s: float = 30.0

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user} at {host}:{self.port}"


def arguments(parser: argparse.ArgumentParser, examples: str) -> None:
    """The flags, and the end of the help text."""
    parser.epilog = f"examples:\n{examples}\n{EPILOG}"
    group = parser.add_argument_group("server")
    group.add_argument(
        "--server",
        metavar="SERVER",
        default=os.environ.get("TAMIS_SIEVE_SERVER", ""),
        help=f"HOST, HOST:PORT or sieve://USER@HOST:PORT/; the port is {DEFAULT_PORT} where it is not given",
    )
    group.add_argument("--user", metavar="USER", help="whose scripts; by default your login name")
    group.add_argument(
        "--password-file", metavar="FILE", help="holds the password; only its owner may read it"
    )
    group.add_argument(
        "--ca-file",
        metavar="FILE",
        type=Path,
        help="trust the authorities in this file (PEM), not the system's",
    )
    group.add_argument("--insecure", action="store_true", help="take any certificate: anybody can pose as it")
    group.add_argument(
        "--no-starttls", action="store_true", help="without TLS: scripts and password can be read on the way"
    )
    group.add_argument(
        "--timeout", metavar="SECONDS", type=_seconds, default=30.0, help="for each answer (default: 30)"
    )


def account(args: argparse.Namespace) -> Account:
    """What the flags say. Raises Trouble."""
    user, host, port = parse_server(args.server)
    return Account(
        host=host,
        port=port,
        user=_bounded("the user's name", args.user or user or getpass.getuser()),
        starttls=not args.no_starttls,
        verify=not args.insecure,
        ca=args.ca_file,
        timeout_s=args.timeout,
    )


def parse_server(text: str) -> tuple[str, str, int]:
    """User ("" if not named), host and port. Raises Trouble."""
    if not text:
        raise Trouble("no server", EX_USAGE, "--server HOST or $TAMIS_SIEVE_SERVER names it")
    url = text if "://" in text else f"sieve://{text}"
    try:
        parts = urlsplit(url)
        user, host, port = unquote(parts.username or ""), parts.hostname or "", parts.port or DEFAULT_PORT
    except ValueError as exc:
        raise Trouble(f"--server {text!r}: {exc}", EX_USAGE) from None
    if parts.password is not None:
        advice = "everybody can see arguments: use --password-file or $TAMIS_SIEVE_PASSWORD"
        raise Trouble("a password does not belong into --server", EX_USAGE, advice)
    if parts.scheme != "sieve" or not host or parts.path.strip("/") or parts.query or not host.isprintable():
        raise Trouble(
            f"--server {text!r} is no server", EX_USAGE, "write HOST, HOST:PORT or sieve://USER@HOST:PORT/"
        )
    return user, host, port


def password(args: argparse.Namespace, account: Account) -> str:
    """From --password-file, $TAMIS_SIEVE_PASSWORD or the terminal. Raises Trouble."""
    try:
        if args.password_file is not None:
            return _bounded("the password", secret_from_file(args.password_file).reveal())
    except Unfit as exc:
        raise Trouble(f"--password-file: {exc}", EX_NOINPUT) from None
    if given := os.environ.get("TAMIS_SIEVE_PASSWORD"):
        return _bounded("the password", given)
    if not _terminal():
        advice = "--password-file or $TAMIS_SIEVE_PASSWORD tells it"
        raise Trouble("no password, and no terminal to ask for it", EX_NOPERM, advice)
    try:
        return _bounded("the password", getpass.getpass(f"Password of {account}: "))
    except EOFError:
        raise Trouble("no password", EX_NOPERM) from None


def _terminal() -> bool:
    """Whether there is somebody to ask; stdin may be a script."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _bounded(what: str, text: str) -> str:
    raw = text.encode("utf-8", "surrogateescape")
    if not text or "\0" in text or len(raw) > MAX_CREDENTIAL_BYTES or raw != text.encode("utf-8", "replace"):
        raise Trouble(f"{what} must be UTF-8 text of 1 to {MAX_CREDENTIAL_BYTES} bytes", EX_USAGE)
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("must be 0.1 to 3600 seconds")
    return seconds
