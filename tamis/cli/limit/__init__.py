"""limit - `tamis limit COMMAND`: the counters of limits, and the locks of accounts."""

from __future__ import annotations

from tamis.cli.group import Group

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

_GROUP = Group(COMMANDS, "`tamis limit COMMAND --help` says more about a command.")
arguments, run = _GROUP.arguments, _GROUP.run
