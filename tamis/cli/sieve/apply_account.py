"""apply_account - a mailbox over IMAP for `tamis sieve apply`, and where its password comes from."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tamis.errors import TamisError

if TYPE_CHECKING:
    from lda.sift.mailbox import Mailbox

VARIABLE = "TAMIS_IMAP_PASSWORD"


def opened(args: argparse.Namespace) -> Mailbox:
    """The mailbox that the arguments name. Raises OSError, TamisError, ValueError for a bad address."""
    from lda.sift.account import logged_in, place_of
    from lda.sift.imap import ImapFolder

    place = place_of(args.mailbox)
    connection = logged_in(place, _password(args.password_file, place.user), args.ca_file)
    return ImapFolder(connection, place.mailbox, write=args.run, tell=_complain)


def _password(path: Path | None, user: str) -> str:
    """Raises OSError, TamisError."""
    if path is not None:
        with path.open(encoding="utf-8") as file:
            return file.readline().rstrip("\r\n")
    if found := os.environ.get(VARIABLE):
        return found
    if not sys.stdin.isatty():
        raise TamisError(f"no password: name --password-file, or set ${VARIABLE}")
    return getpass.getpass(f"Password of {user}: ")


def _complain(text: str) -> None:
    print(f"tamis sieve apply: {text}", file=sys.stderr)
