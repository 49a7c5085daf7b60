"""check - `tamis check`: every problem of tamis.toml that any of the programs would find."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from tamis.cli.flags import add_config
from tamis.cli.programs import PROGRAMS, assemble_of
from tamis.config.load import Loader, default_path, read
from tamis.errors import Problem
from tamis.outcome import EX_CONFIG, EX_OK


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="problems as a JSON list")


def run(args: argparse.Namespace) -> int:
    """Print all problems; 0 for none, 78 for some."""
    path = args.config or default_path()
    found = problems(path)
    if args.json:
        print(json.dumps([asdict(problem) for problem in found]))
    elif found:
        print("\n".join(map(str, found)))
    else:
        print(f"{path}: no problems, for {', '.join(PROGRAMS)}")
    return EX_CONFIG if found else EX_OK


def problems(path: Path) -> list[Problem]:
    """What all programs complain about, each thing once, in the order of the file.

    Raises ConfigError for a file that cannot be read or is not TOML."""
    document = read(path)
    found: dict[Problem, None] = {}
    for program in PROGRAMS:
        loader = Loader(document)
        assemble_of(program)(loader)
        found |= dict.fromkeys(loader.problems())
    return sorted(found, key=lambda problem: problem.line)
