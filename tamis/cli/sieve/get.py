"""get - `tamis sieve get [NAME]`: fetch a script from a server, to stdout or into a file."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tamis.cli.sieve.managesieve import account
from tamis.cli.sieve.managesieve.command import converse
from tamis.cli.sieve.managesieve.trouble import Trouble
from tamis.log import safe
from tamis.outcome import EX_CANTCREAT, EX_NOINPUT, EX_OK

if TYPE_CHECKING:
    from tamis.cli.sieve.managesieve.session import Session

_EXAMPLES = """\
  tamis sieve get --server mail.example.org --user alice@example.org > active.sieve
  tamis sieve get --server sieve://alice@mail.example.org/ Holidays -o vacation.sieve

Lines end as on this system, in LF; `push` sends CRLF, as the protocol wants it.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the script; by default the active one")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="write it there, whole or not at all; not to stdout"
    )
    account.arguments(parser, _EXAMPLES)


def run(args: argparse.Namespace) -> int:
    """Print or write it; 66 if there is no such script."""

    def work(session: Session) -> int:
        content = session.content(args.name or _active(session)).replace(b"\r\n", b"\n")
        if args.output is None:
            _print(content)
        else:
            _write(args.output, content)
        return EX_OK

    return converse(args, work)


def _active(session: Session) -> str:
    names = [script.name for script in session.scripts() if script.active]
    if not names:
        raise Trouble("no script is active", EX_NOINPUT, "`tamis sieve list` shows those that could be")
    return names[0]


def _print(content: bytes) -> None:
    """As it is, but not for a terminal: it would obey what the script holds."""
    if sys.stdout.isatty():
        for line in content.decode("utf-8", "surrogateescape").splitlines():
            print(safe(line.expandtabs(), len(content)))
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()


def _write(path: Path, content: bytes) -> None:
    """A file that is there is replaced in one step."""
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), mode)
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as exc:
        raise Trouble(f"{path}: {exc.strerror}", EX_CANTCREAT) from exc
