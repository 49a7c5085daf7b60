"""policy - `tamis policy COMMAND`: the tools for those who look after the checks of tamis-policyd.

Each command is a module with ``arguments(parser)`` and ``run(args) -> int``, like the commands of `tamis` itself.
"""

from __future__ import annotations

import argparse
from importlib import import_module

from tamis.outcome import EX_USAGE

# name: (module, what it does)
COMMANDS = {
    "explain": (
        "tamis.cli.policy.explain",
        "say what each check thinks of a request, from what, and the answer",
    ),
    "replay": (
        "tamis.cli.policy.replay",
        "say what another configuration would have decided of past requests",
    ),
    "test": ("tamis.cli.policy.test", "run the cases that are written beside a configuration"),
    "import": ("tamis.cli.policy.import_", "write the configuration that another policy daemon's files mean"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The commands, each with its flags."""
    parser.epilog = "`tamis policy COMMAND --help` says more about a command."
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="policy_command")
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
    if not args.policy_command:
        args.print_help()
        return EX_USAGE
    return int(import_module(COMMANDS[args.policy_command][0]).run(args))
