"""dmarc - `tamis dmarc COMMAND`: aggregate reports, those that we send and those that we get.

Each command is a module with ``arguments(parser)`` and ``run(args) -> int``, like the commands of `tamis` itself.
"""

from __future__ import annotations

import argparse
from importlib import import_module

from tamis.outcome import EX_USAGE

# name: (module, what it does)
COMMANDS = {
    "report": ("tamis.cli.dmarc.report", "send domains the aggregate reports that they ask for"),
    "read": ("tamis.cli.dmarc.read", "say what is in aggregate reports that others have sent"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The commands, each with its flags."""
    parser.epilog = "`tamis dmarc COMMAND --help` says more about a command."
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="dmarc_command")
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
    if not args.dmarc_command:
        args.print_help()
        return EX_USAGE
    return int(import_module(COMMANDS[args.dmarc_command][0]).run(args))
