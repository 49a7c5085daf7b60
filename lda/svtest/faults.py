"""faults - the errors of a script that does not compile, listed as the reference implementation lists them.

A test file counts them. The reference reads a script in phases and stops after the first that finds an error, with one
more entry that says so; of the arguments of one command it reports the first bad one.
"""

from __future__ import annotations

from collections.abc import Sequence

from lda.sieve import Diagnostic, Phase, ScriptError


def listed(error: ScriptError, name: str) -> list[str]:
    """The texts of *error*; *name*: what the script itself is called in it."""
    syntax = [d.text for d in error.errors if d.phase is Phase.SYNTAX and d.source.script == name]
    if syntax:
        return [*syntax, "parse failed"]
    found = [d for d in error.errors if d.phase is Phase.SYNTAX or not d.follows or _each(d)]
    broken = {d.source.script for d in found if d.phase is Phase.SYNTAX}
    texts = [d.text for d in found if d.phase is Phase.SYNTAX or d.source.script not in broken]
    return [*texts, _last(found, name)]


def _each(finding: Diagnostic) -> bool:
    """Of a require command every unknown capability is listed."""
    return finding.text.startswith("require command:")


def _last(found: Sequence[Diagnostic], name: str) -> str:
    """Included scripts are read when the script itself has been found valid."""
    inside = any(d.source.script != name for d in found)
    return "code generation failed" if inside else "validation failed"
