"""sieve - `tamis sieve COMMAND`: the tools for people who write Sieve scripts."""

from __future__ import annotations

from tamis.cli.group import Group

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

_GROUP = Group(COMMANDS, _EPILOG)
arguments, run = _GROUP.arguments, _GROUP.run
