"""policy - `tamis policy COMMAND`: the tools for those who look after the checks of tamis-policyd."""

from __future__ import annotations

from tamis.cli.group import Group

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

_GROUP = Group(COMMANDS, "`tamis policy COMMAND --help` says more about a command.")
arguments, run = _GROUP.arguments, _GROUP.run
