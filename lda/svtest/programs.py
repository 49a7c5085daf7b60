"""programs - runs the programs that scripts under test call, out of the directories that settings name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from lda.programs import COMMANDS, Command, Programs, ProgramsConfig, environment
from lda.sieve import Envelope
from lda.svtest.options import ENVIRONMENT, USER
from lda.svtest.settings import BadSetting, Section, Settings
from tamis.config.schema import Duration

_UNBOUNDED_S = 3600.0


def programs(settings: Settings, command: Command, envelope: Envelope, directory: Path) -> Programs:
    """Those for *command*. directory: of the test file. A test's own files are trusted, whosever they are.

    Raises BadSetting."""
    section = settings.of(f"vnd.dovecot.{command}")
    seconds = float(section.seconds(f"sieve_{command}_exec_timeout", 10)) or _UNBOUNDED_S
    where = section.text(f"sieve_{command}_bin_dir")
    found = {name: directory / where if where and name == command else None for name in COMMANDS}
    config = ProgramsConfig(
        pipe=found["pipe"],
        filter=found["filter"],
        execute=found["execute"],
        timeout=Duration(seconds),
        total=Duration(_UNBOUNDED_S),
        input_eol=_eol(section, f"sieve_{command}_input_eol"),
    )
    told = environment(
        home=directory,
        user=USER,
        host=ENVIRONMENT["host"],
        sender=envelope.sender,
        recipient=envelope.recipient,
        original_recipient=envelope.original_recipient,
    )
    return Programs(config, told, None)


def check(settings: Settings) -> None:
    """Raises BadSetting for what cannot be read."""
    for command in COMMANDS:
        programs(settings, command, Envelope(), Path())


def _eol(section: Section, name: str) -> Literal["crlf", "lf"]:
    match section.text(name, default="crlf").lower():
        case "crlf":
            return "crlf"
        case "lf":
            return "lf"
    raise BadSetting(f"{name}: must be crlf or lf")
