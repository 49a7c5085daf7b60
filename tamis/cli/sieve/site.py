"""site - the site's options for scripts, [lda.sieve] of the configuration, for the commands that compile scripts."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tamis.cli.programs import assemble_of
from tamis.config.load import default_path, load

if TYPE_CHECKING:
    from lda.script_config import SieveConfig


def add_argument(parser: argparse.ArgumentParser, *, usual: str) -> None:
    """``-c FILE``. *usual*: what counts without it."""
    text = f"the site's limits and extensions, as in [lda.sieve] of this file ({usual})"
    parser.add_argument("-c", "--config", metavar="FILE", type=Path, help=text)


def site_config(path: Path | None, *, here: bool) -> SieveConfig:
    """[lda.sieve] of *path*; without one, of this host where *here*, if that can be read; else the defaults.

    Raises ConfigError."""
    from lda.config import Root
    from lda.script_config import SieveConfig

    usual = default_path()
    if path is None and here and os.access(usual, os.R_OK):
        path = usual
    if path is None:
        return SieveConfig()
    root = load(path, assemble_of("tamis-lmtpd"))
    assert isinstance(root, Root)
    return root.lda.sieve
