"""command - the flags that every program shares, and what they print.

    parser = make_parser("tamis-policyd", "Answer Postfix's check_policy_service.", "EXAMPLES ...")
    args = parser.parse_args()
    if (status := answer(args, assemble)) is not None:
        return status  # --check, --defaults or --changed was all that was asked
    root, checks = configuration(args, assemble)

*assemble* takes a `Loader` and builds what the program reads (see `tamis.config.load`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tamis import __version__
from tamis.config.load import DEFAULT_PATH, Loader, default_path, load
from tamis.errors import ConfigError
from tamis.outcome import EX_CONFIG, EX_OK

T = TypeVar("T")


def make_parser(program: str, description: str, examples: str = "") -> argparse.ArgumentParser:
    """A parser with the shared flags and a help text that teaches."""
    parser = argparse.ArgumentParser(program, description=description, allow_abbrev=False)
    add_arguments(parser)
    return parser


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """-c/--config, --check, --defaults, --changed, --json, --version."""
    parser.add_argument("-c", "--config", metavar="FILE", type=Path, help=f"the configuration ({DEFAULT_PATH})")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--defaults", action="store_true")
    parser.add_argument("--changed", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")


def config_path(args: argparse.Namespace) -> Path:
    """-c FILE, else $TAMIS_CONFIG, else /etc/tamis/tamis.toml."""
    path: Path | None = args.config
    return path or default_path()


def answer(args: argparse.Namespace, assemble: Callable[[Loader], object]) -> int | None:
    """Print what --check, --defaults or --changed asks for and return the exit status; None: none was asked."""
    if args.check:
        configuration(args, assemble)
        print(f"{config_path(args)}: no problems")
        return EX_OK
    return None


def configuration(args: argparse.Namespace, assemble: Callable[[Loader], T]) -> T:
    """What *assemble* makes of the file. With problems: prints them all to stderr and exits with 78."""
    try:
        return load(config_path(args), assemble)
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        raise SystemExit(EX_CONFIG) from None
