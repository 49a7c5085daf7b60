"""sieve - `tamis sieve COMMAND`: the tools for people who write Sieve scripts.

Each command is a module with ``arguments(parser)`` and ``run(args) -> int``, like the commands of `tamis` itself.
"""

from __future__ import annotations

import argparse
from importlib import import_module

from tamis.outcome import EX_USAGE

# name: (module, what it does)
COMMANDS = {
    "check": ("tamis.cli.sieve.check", "find every mistake in scripts"),
    "test": ("tamis.cli.sieve.test", "run test files (.svtest)"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The commands, each with its flags."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="sieve_command")
    for name, (module, summary) in COMMANDS.items():
        description = f"{summary[0].upper()}{summary[1:]}."
        sub = commands.add_parser(
            name,
            help=summary,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        import_module(module).arguments(sub)
    parser.set_defaults(print_help=parser.print_help)


def run(args: argparse.Namespace) -> int:
    """Run one of them; its exit status."""
    if not args.sieve_command:
        args.print_help()
        return EX_USAGE
    return int(import_module(COMMANDS[args.sieve_command][0]).run(args))
