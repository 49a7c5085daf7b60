"""programs - the programs that read tamis.toml, and how each of them reads it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from tamis.config.load import Loader, default_path, load

if TYPE_CHECKING:
    import lda.config
    import milters.config
    import policyd.config
    from tamis.registry import Configured

PROGRAMS = {
    "tamis-policyd": "policyd.config",
    "tamis-milter": "milters.config",
    "tamis-lmtpd": "lda.config",
}


def assemble_of(program: str) -> Callable[[Loader], object]:
    """What builds the configuration of *program* from a loader."""
    assemble: Callable[[Loader], object] = import_module(PROGRAMS[program]).assemble
    return assemble


def policyd_obeys(path: Path | None) -> tuple[policyd.config.Root, tuple[Configured, ...]]:
    """What tamis-policyd would obey, by the file *path* or the usual one. Raises ConfigError."""
    from policyd.config import assemble

    return load(path or default_path(), assemble)


def milter_obeys(path: Path | None) -> tuple[milters.config.Root, tuple[Configured, ...]]:
    """What tamis-milter would obey. Raises ConfigError."""
    from milters.config import assemble

    return load(path or default_path(), assemble)


def lmtpd_obeys(path: Path | None) -> lda.config.Root:
    """What tamis-lmtpd would obey. Raises ConfigError."""
    from lda.config import assemble

    return load(path or default_path(), assemble)
