"""includes - the scripts that a script includes (RFC 6609), compiled together with it. Pure.

Sources come from a `Library`, a function of the host. What is included where is known when a script is compiled, so a
script that includes itself, or something that is not there, is an error before any message is delivered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lda.sieve.diagnostics import Diagnostic, ScriptError

if TYPE_CHECKING:
    from lda.sieve.limits import Limits
    from lda.sieve.machine import Script

MAX_NAME_CHARS = 128
_NAME = re.compile(rf"[^\x00-\x1f/\x7f-\x9f\u2028\u2029\ud800-\udfff]{{1,{MAX_NAME_CHARS}}}")


def is_script_name(name: str) -> bool:
    """Whether a script can have this name (RFC 5804 section 1.6); no name with a slash is one."""
    return _NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a script lies. location: "personal" or "global"."""

    location: str
    name: str

    def __str__(self) -> str:
        return f"{self.location} script '{self.name}'"


Library = Callable[[Place], bytes | None]
"""The source of the script at a place; None: there is none."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a script cannot be included, and what is wrong with it."""

    text: str
    diagnostics: tuple[Diagnostic, ...] = ()


class Includes:
    """What one compilation includes, each script compiled once. library None: nothing is known when compiling."""

    def __init__(
        self,
        library: Library | None,
        compile_one: Callable[[bytes, str, Includes, str], Script],
        watch: Callable[[Place, Script], Script] | None = None,
    ) -> None:
        self.library = library
        self._compile = compile_one
        self._watch = watch
        self.scripts: dict[Place, Script] = {}
        self._open: list[Place] = []

    def add(self, place: Place, limits: Limits, *, once: bool, optional: bool) -> Problem | None:
        """Compile the script at *place*, unless that is done. once: one that includes itself so ends by itself."""
        if place in self._open:
            return None if once else Problem("circular include")
        if place in self.scripts or self.library is None:
            return None
        return self._limited(place, limits) or self._added(place, optional)

    def _limited(self, place: Place, limits: Limits) -> Problem | None:
        if len(self._open) >= limits.include_depth:
            return Problem(f"cannot nest includes deeper than {limits.include_depth} levels")
        if len(self.scripts) + len(self._open) >= limits.includes:
            return Problem(f"failed to include {place}: no more than {limits.includes} includes allowed")
        return None

    def _added(self, place: Place, optional: bool) -> Problem | None:
        source = self.library(place) if self.library is not None else None
        if source is None:
            return None if optional else Problem(f"included {place} does not exist")
        self._open.append(place)
        try:
            script = self._compile(source, place.name, self, place.location)
            self.scripts[place] = script if self._watch is None else self._watch(place, script)
        except ScriptError as exc:
            return Problem(f"failed to compile included {place}", exc.diagnostics)
        finally:
            self._open.pop()
        return None
