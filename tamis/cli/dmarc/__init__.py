"""dmarc - `tamis dmarc COMMAND`: aggregate reports, those that we send and those that we get."""

from __future__ import annotations

from tamis.cli.group import Group

# name: (module, what it does)
COMMANDS = {
    "report": ("tamis.cli.dmarc.report", "send domains the aggregate reports that they ask for"),
    "read": ("tamis.cli.dmarc.read", "say what is in aggregate reports that others have sent"),
}

_GROUP = Group(COMMANDS, "`tamis dmarc COMMAND --help` says more about a command.")
arguments, run = _GROUP.arguments, _GROUP.run
