"""quarantine - `tamis quarantine COMMAND`: look at held messages, let them go, delete them, tell users of theirs.

Each command is a module with ``arguments(parser)`` and ``run(args) -> int``, like the commands of `tamis` itself.
"""

from __future__ import annotations

import argparse
from importlib import import_module

from tamis.outcome import EX_USAGE

# name: (module, what it does)
COMMANDS = {
    "list": ("tamis.cli.quarantine.list", "list the messages that are held, and why"),
    "show": ("tamis.cli.quarantine.show", "show a message that is held"),
    "release": ("tamis.cli.quarantine.release", "deliver messages that are held"),
    "delete": ("tamis.cli.quarantine.delete", "delete messages that are held"),
    "digest": ("tamis.cli.quarantine.digest", "tell users by mail what is held for them since the last time"),
    "expire": ("tamis.cli.quarantine.expire", "delete what has been held for too long"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The commands, each with its flags."""
    parser.epilog = "`tamis quarantine COMMAND --help` says more about a command."
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="quarantine_command")
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
    if not args.quarantine_command:
        args.print_help()
        return EX_USAGE
    return int(import_module(COMMANDS[args.quarantine_command][0]).run(args))
