"""quarantine - `tamis quarantine COMMAND`: look at held messages, let them go, delete them, tell users of theirs."""

from __future__ import annotations

from tamis.cli.group import Group

# name: (module, what it does)
COMMANDS = {
    "list": ("tamis.cli.quarantine.list", "list the messages that are held, and why"),
    "show": ("tamis.cli.quarantine.show", "show a message that is held"),
    "release": ("tamis.cli.quarantine.release", "deliver messages that are held"),
    "delete": ("tamis.cli.quarantine.delete", "delete messages that are held"),
    "digest": ("tamis.cli.quarantine.digest", "tell users by mail what is held for them since the last time"),
    "expire": ("tamis.cli.quarantine.expire", "delete what has been held for too long"),
}

_GROUP = Group(COMMANDS, "`tamis quarantine COMMAND --help` says more about a command.")
arguments, run = _GROUP.arguments, _GROUP.run
