"""faults - the errors of a script that does not compile, listed as the reference implementation lists them.

A test file counts them. The reference reads a script in phases and stops after the first that finds an error, with one
more entry that says so. Of the arguments of one command it reports the first bad one. Included scripts are read when
code is generated: the first broken one ends that, with an entry for each script that includes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lda.sieve import Diagnostic, Library, Phase, Place, ScriptError
from lda.sieve.limits import Limits
from lda.svtest import grammar

_INCLUDED = re.compile(r"failed to compile included (personal|global) script '(.*)'", re.DOTALL)
_GENERATION = re.compile(
    r"circular include|cannot nest includes|failed to include |failed to compile included "
)
_LONELY = "extension cannot be used without"
"""Behind it the reference validates nothing."""
_NO_VALUE = re.compile(r"command: specified value '.*' is invalid", re.DOTALL)
_FAILED = {
    "parse": "parse failed",
    "validate": "validation failed",
    "generate code for": "code generation failed",
}


def listed(error: ScriptError, name: str, source: bytes, limits: Limits, library: Library) -> list[str]:
    """The texts of *error* in the script *source*; *name*: what the script itself is called in it."""
    texts, phase = _Lister(error.errors, limits, library).script(name, source)
    return [*texts, _FAILED[phase]]


def stricter(warnings: Sequence[Diagnostic]) -> list[str]:
    """Those of *warnings* that are errors in the current reference; an older one, which lets them pass, has users whose
    scripts have to run."""
    texts = [warning.text for warning in warnings if _NO_VALUE.search(warning.text)]
    return [*texts, _FAILED["validate"]] if texts else []


class _Lister:
    def __init__(self, errors: Sequence[Diagnostic], limits: Limits, library: Library) -> None:
        self._errors = list(dict.fromkeys(errors))  # a script that is included twice is broken twice
        self._limits = limits
        self._library = library

    def script(self, name: str, source: bytes | None) -> tuple[list[str], str]:
        """The errors of one script, and the phase that found them."""
        own = [d for d in self._errors if d.source.script == name]
        syntax = [d.text for d in own if d.phase is Phase.SYNTAX]
        if syntax:
            return grammar.errors(source or b"", self._limits) or syntax, "parse"
        found = [d.text for d in own if not _GENERATION.match(d.text) and (not d.follows or _each(d))]
        if found:
            lonely = next((i for i, text in enumerate(found, 1) if _LONELY in text), len(found))
            return found[:lonely], "validate"
        return list(self._generation(own)), "generate code for"

    def _generation(self, own: Sequence[Diagnostic]) -> Iterator[str]:
        for finding in own[:1]:
            included = _INCLUDED.fullmatch(finding.text)
            if included is None:
                yield finding.text
                return
            place = Place(included[1], included[2])
            texts, phase = self.script(place.name, self._library(place))
            yield from texts
            yield f"failed to {phase} included script '{place.name}'"


def _each(finding: Diagnostic) -> bool:
    """Of a require command every unknown capability is listed."""
    return finding.text.startswith("require command:")
