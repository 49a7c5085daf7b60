"""site - what the commands that compile or run scripts know of the site: tables below [lda] of its configuration."""

from __future__ import annotations

import argparse
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from tamis.cli.flags import add_config
from tamis.cli.programs import lmtpd_obeys
from tamis.config.load import default_path

if TYPE_CHECKING:
    from lda.explain.site import Site


def add_argument(parser: argparse.ArgumentParser, *, usual: str) -> None:
    """``-c FILE``. *usual*: what counts without it."""
    add_config(parser, f"the site's limits and extensions, as in [lda.sieve] of this file ({usual})")


def site_of(path: Path | None, *, here: bool) -> Site:
    """The site of the configuration *path*; without one, of this host's where *here*, if that can be read; else the
    defaults.

    Raises ConfigError."""
    from lda.explain.site import Site

    usual = default_path()
    if path is None and here and os.access(usual, os.R_OK):
        path = usual
    if path is None:
        return Site(hostname=socket.gethostname())
    root = lmtpd_obeys(path)
    return Site(
        hostname=root.hostname or socket.gethostname(),
        recipient_delimiter=root.lda.users.recipient_delimiter,
        scripts=root.lda.sieve,
        maildir=root.lda.maildir,
    )
