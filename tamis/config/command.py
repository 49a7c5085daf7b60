"""command - the flags that every program shares, and what they print.

    parser = make_parser("tamis-policyd", "Answer Postfix's check_policy_service.", "tamis.toml: ...")
    args = parser.parse_args()
    if (status := answer(args, assemble)) is not None:
        return status  # --check, --defaults or --changed was all that was asked
    root, checks = configuration(args, assemble)

*assemble* takes a `Loader` and builds what the program reads (see `tamis.config.load`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, NoReturn, TextIO, TypeVar

from tamis import __version__
from tamis.config.load import DEFAULT_PATH, Loader, default_path, load
from tamis.errors import ConfigError, Problem
from tamis.outcome import EX_CONFIG, EX_OK, EX_USAGE

if TYPE_CHECKING:
    from tamis.config.changes import Change

T = TypeVar("T")

_AFTERWORD = f"""\
files:
  {DEFAULT_PATH}   the configuration; $TAMIS_CONFIG or -c names another

exit status (sysexits.h):
  0 stopped as told, or no problems   64 usage   78 the configuration has problems: all are on stderr
"""

_BOLD, _DIM = 1, 2
_HEADING = re.compile(r"^[a-z].*:$", re.MULTILINE)


class Parser(argparse.ArgumentParser):
    """Keeps the line breaks of its examples, and ends with 64 where it is called wrongly."""

    def format_help(self) -> str:
        """The help text; on a terminal with bold headings."""
        return _HEADING.sub(lambda match: styled(match[0], _BOLD, sys.stdout), super().format_help())

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line, and end."""
        self.print_usage(sys.stderr)
        self.exit(EX_USAGE, f"{self.prog}: {message}\n")


def make_parser(program: str, description: str, examples: str = "") -> argparse.ArgumentParser:
    """A parser with the shared flags and a help text that teaches; *examples* is printed as it stands."""
    lead = f"examples:\n{indent(examples.rstrip(), '  ')}\n\n" if examples else ""
    parser = Parser(
        program,
        description=description,
        epilog=lead + _AFTERWORD,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_arguments(parser)
    return parser


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """-c/--config, --check, --defaults, --changed, --json, --version."""
    config = f"the configuration; default: $TAMIS_CONFIG, else {DEFAULT_PATH}"
    parser.add_argument("-c", "--config", metavar="FILE", type=Path, help=config)
    questions = parser.add_mutually_exclusive_group()
    questions.add_argument(
        "--check", action="store_true", help="name every mistake in the configuration, and exit"
    )
    questions.add_argument(
        "--defaults",
        action="store_true",
        help="print every option with its meaning and default, as postconf -d does, and exit",
    )
    questions.add_argument(
        "--changed",
        action="store_true",
        help="print what the configuration changes, and in which line, as postconf -n does, and exit",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for --check and --changed")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")


def config_path(args: argparse.Namespace) -> Path:
    """-c FILE, else $TAMIS_CONFIG, else /etc/tamis/tamis.toml."""
    path: Path | None = args.config
    return path or default_path()


def answer(args: argparse.Namespace, assemble: Callable[[Loader], object]) -> int | None:
    """Print what --check, --defaults or --changed asks for and return the exit status; None: none was asked."""
    if args.json and not (args.check or args.changed):
        print("--json goes with --check or --changed", file=sys.stderr)
        return EX_USAGE
    if args.check:
        return _check(args, assemble)
    if args.defaults:
        _print_defaults(assemble)
        return EX_OK
    if args.changed:
        _print_changed(args, assemble)
        return EX_OK
    return None


def configuration(args: argparse.Namespace, assemble: Callable[[Loader], T]) -> T:
    """What *assemble* makes of the file. With problems: prints them all to stderr and exits with 78."""
    try:
        return load(config_path(args), assemble)
    except ConfigError as exc:
        for problem in exc.problems:
            place = str(problem).removesuffix(problem.text)
            print(styled(place, _BOLD, sys.stderr) + problem.text, file=sys.stderr)
        raise SystemExit(EX_CONFIG) from None


def _check(args: argparse.Namespace, assemble: Callable[[Loader], object]) -> int:
    if not args.json:
        configuration(args, assemble)
        print(f"{config_path(args)}: no problems")
        return EX_OK
    problems: tuple[Problem, ...] = ()
    try:
        load(config_path(args), assemble)
    except ConfigError as exc:
        problems = exc.problems
    print(json.dumps([asdict(problem) for problem in problems]))
    return EX_CONFIG if problems else EX_OK


def _print_defaults(assemble: Callable[[Loader], object]) -> None:
    """TOML: ``# ...`` is prose, ``#name = value`` an option or table that is not there unless it is written."""
    from tamis.config.catalogue import tables_of

    for table in tables_of(assemble):
        mark = "" if table.given else "#"
        if table.header:
            print(styled(f"\n# {table.doc}", _DIM, sys.stdout))
            print(f"{mark}{table.header}")
        for row in table.rows:
            print(styled(f"# {row.doc} [{row.kind}]", _DIM, sys.stdout))
            print(f"{mark if row.default else '#'}{row.name} = {row.default}".rstrip())


def _print_changed(args: argparse.Namespace, assemble: Callable[[Loader], object]) -> None:
    """TOML with dotted keys, an option a line."""
    from tamis.config.changes import changes

    def assemble_and_compare(loader: Loader) -> list[Change]:
        assemble(loader)
        return changes(loader)

    found = configuration(args, assemble_and_compare)
    if args.json:
        print(json.dumps([change.plain() for change in found]))
        return
    for change in found:
        place = f"# {change.file}:{change.line}" + (f", default {change.default}" if change.default else "")
        print(f"{change.key} = {change.value}  {styled(place, _DIM, sys.stdout)}")


def styled(text: str, style: int, stream: TextIO) -> str:
    """*text* with colour, on a terminal that is not told to do without (no-color.org)."""
    plain = not stream.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return text if plain or not text else f"\x1b[{style}m{text}\x1b[0m"
