"""programs - the programs that read tamis.toml, and how each of them reads it. Loaded by commands that need all."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from tamis.config.load import Loader

PROGRAMS = {
    "tamis-policyd": "policyd.config",
    "tamis-milter": "milters.config",
    "tamis-lmtpd": "lda.config",
}


def assemble_of(program: str) -> Callable[[Loader], object]:
    """What builds the configuration of *program* from a loader."""
    assemble: Callable[[Loader], object] = import_module(PROGRAMS[program]).assemble
    return assemble
