"""limit - `tamis limit COMMAND`: the counters of limits, and the locks of accounts.

Each command is a module with ``arguments(parser)`` and ``run(args) -> int``, like the commands of `tamis` itself.
"""

from __future__ import annotations

import argparse
from importlib import import_module

from tamis.outcome import EX_USAGE

# name: (module, what it does)
COMMANDS = {
    "show": ("tamis.cli.limit.show", "say what somebody has used of the limits, and when they are as new"),
    "top": ("tamis.cli.limit.top", "list who has used most of the limits"),
    "reset": ("tamis.cli.limit.reset", "make somebody's limits as new"),
    "grant": ("tamis.cli.limit.grant", "let somebody send more than the limits say, for some time"),
    "lock": ("tamis.cli.limit.lock", "lock accounts: mail from them is refused"),
    "unlock": ("tamis.cli.limit.unlock", "unlock accounts, and hold nothing against them"),
    "locked": ("tamis.cli.limit.locked", "list the accounts that are locked"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The commands, each with its flags."""
    parser.epilog = "`tamis limit COMMAND --help` says more about a command."
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="limit_command")
    for name, (module, summary) in COMMANDS.items():
        sub = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        import_module(module).arguments(sub)
    parser.set_defaults(print_help=parser.print_help)


def run(args: argparse.Namespace) -> int:
    """Run one of them; its exit status."""
    if not args.limit_command:
        args.print_help()
        return EX_USAGE
    return int(import_module(COMMANDS[args.limit_command][0]).run(args))
