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
    "explain": ("tamis.cli.sieve.explain", "say what a script does with a message, test by test, and why"),
    "apply": ("tamis.cli.sieve.apply", "try a script on the messages of a mailbox, or move them by it"),
    "push": ("tamis.cli.sieve.push", "put scripts on a server, after checking them"),
    "list": ("tamis.cli.sieve.list", "show the scripts on a server"),
    "get": ("tamis.cli.sieve.get", "fetch a script from a server"),
    "activate": ("tamis.cli.sieve.activate", "let a script on a server filter mail"),
    "deactivate": ("tamis.cli.sieve.deactivate", "let no script on a server filter mail"),
    "rename": ("tamis.cli.sieve.rename", "give a script on a server another name"),
    "delete": ("tamis.cli.sieve.delete", "take scripts off a server"),
}

_EPILOG = """\
from an idea to a filter that runs:
  tamis sieve check main.sieve                        every mistake, with its line and what would mend it
  tamis sieve explain main.sieve message.eml          why this message goes where it goes
  tamis sieve apply main.sieve ~/Maildir              what the script would do to the mail that is there
  tamis sieve apply --run main.sieve ~/Maildir        do it; no message is ever lost
  tamis sieve push --server mail.example.org --activate main.sieve
                                                      let the server filter new mail with it

`tamis sieve COMMAND --help` says more about a command; exit statuses are those of sysexits(3).
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The commands, each with its flags."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
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
