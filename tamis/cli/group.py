"""group - the commands of `tamis NAME COMMAND`, out of a table like that of `tamis` itself.

Each command is a module with ``arguments(parser)`` and ``run(args) -> int``; and so is the package of the group, by
the two methods of its `Group`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from tamis.outcome import EX_USAGE


@dataclass(frozen=True, slots=True)
class Group:
    """commands: by name, each the module and what it does. epilog: the end of ``tamis NAME --help``."""

    commands: Mapping[str, tuple[str, str]]
    epilog: str

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """The commands, each with its flags."""
        parser.epilog = self.epilog
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="group_command")
        for name, (module, summary) in self.commands.items():
            sub = commands.add_parser(
                name,
                help=summary,
                description=f"{summary[0].upper()}{summary[1:]}.",
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
            import_module(module).arguments(sub)
        parser.set_defaults(print_help=parser.print_help)

    def run(self, args: argparse.Namespace) -> int:
        """Run one of them; its exit status."""
        if not args.group_command:
            args.print_help()
            return EX_USAGE
        return int(import_module(self.commands[args.group_command][0]).run(args))
