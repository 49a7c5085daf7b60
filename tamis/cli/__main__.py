"""__main__ - `tamis COMMAND`: looks the command up in the table, loads it and runs it.

A command's module has two functions: ``arguments(parser)`` adds its flags, ``run(args) -> int`` does its work and
returns an exit status of sysexits.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module

from tamis import __version__
from tamis.config.command import Parser
from tamis.errors import ConfigError, TamisError
from tamis.outcome import EX_CONFIG, EX_UNAVAILABLE, EX_USAGE

# name: (module, what it does)
COMMANDS = {
    "check": ("tamis.cli.check", "find every mistake in tamis.toml, for all programs"),
    "doctor": ("tamis.cli.doctor", "look whether this host has what Tamis needs, and say what to do"),
    "trace": ("tamis.cli.trace", "say what happened to a message, and why"),
    "auth": ("tamis.cli.auth", "say what SPF, DKIM, ARC and DMARC find in a message"),
    "dkim": ("tamis.cli.dkim", "sign and verify messages, make keys and check their DNS records"),
    "arc": ("tamis.cli.arc", "verify the chain of those who handled a message, and make it longer"),
    "dmarc": ("tamis.cli.dmarc", "send aggregate reports of DMARC, and read those of others"),
    "spf": ("tamis.cli.spf", "say whether a client may send mail from an address, and why not"),
    "greylist": ("tamis.cli.greylist", "say how well greylisting knows a client, let it in, or forget it"),
    "limit": ("tamis.cli.limit", "look after limits, and lock and unlock accounts"),
    "user": ("tamis.cli.user", "say whose mail an address is, where it goes, and which database says so"),
    "quota": ("tamis.cli.quota", "say how much mail users have, and how much they may have"),
    "policy": ("tamis.cli.policy", "look after the checks of tamis-policyd, and bring those of others over"),
    "spam": ("tamis.cli.spam", "teach the spam filter what is spam, and what is not"),
    "quarantine": ("tamis.cli.quarantine", "look at held messages, and let them go or delete them"),
    "srs": ("tamis.cli.srs", "rewrite senders as redirects do, and read rewritten addresses"),
    "sieve": (
        "tamis.cli.sieve",
        "check, test, explain and apply Sieve scripts, and manage those on a server",
    ),
}

EPILOG = """\
examples:
  tamis check
  tamis trace 4dT1x83kHmz9
  tamis trace --recipient alice@example.org --since 2h
  tamis trace --message-id 20260131.4711@example.net
  tamis doctor --json

files:
  /etc/tamis/tamis.toml   the configuration; $TAMIS_CONFIG or -c names another

exit status (sysexits.h):
  0 all is well   1 something was found   64 usage   69 not available   78 configuration

`tamis COMMAND --help` says more about a command.
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command; its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = Parser(
        "tamis",
        description="Look after Tamis: policy daemon, milter and delivery agent for Postfix and Dovecot.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tamis {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    wanted = next((word for word in argv if not word.startswith("-")), "")
    for name, (module, summary) in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if name == wanted:
            import_module(module).arguments(sub)
    args = parser.parse_args(argv)
    if not args.command:
        parser.print_help(sys.stderr)
        return EX_USAGE
    return _run(args)


def _run(args: argparse.Namespace) -> int:
    try:
        return int(import_module(COMMANDS[args.command][0]).run(args))
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        return EX_CONFIG
    except BrokenPipeError:
        # Nobody reads on; the interpreter is not to complain about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 130
    except (TamisError, OSError) as exc:
        print(f"tamis {args.command}: {exc}", file=sys.stderr)
        return EX_UNAVAILABLE
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
