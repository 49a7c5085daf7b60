"""diagnostics - what is wrong with a script, where, and what would mend it. Pure text.

Rendered as compilers do: ``name:line:column: error: sentence``, the source line, a caret, a hint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from lda.sieve.plan import Source
from tamis.errors import SieveError

MAX_SHOWN_COLUMNS = 160


class Severity(Enum):
    """An error stops the script; a warning is advice."""

    ERROR = "error"
    WARNING = "warning"


class Phase(Enum):
    """When it was found: a script with syntax errors is not validated any further by other engines."""

    SYNTAX = "syntax"
    VALIDATION = "validation"
    RUN = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One finding. text: a sentence without full stop; hint: what would mend it, or "".

    follows: a further finding in a command that has one already; engines that stop at the first would not
    report it. source_line: the line of the script, for the caret; "" if not known."""

    source: Source
    text: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    phase: Phase = Phase.VALIDATION
    follows: bool = False
    source_line: str = ""

    def __str__(self) -> str:
        place = f"{self.source.script}:{self.source.line}"
        place += f":{self.source.column}" if self.source.column else ""
        return f"{printable(place)}: {self.severity.value}: {printable(self.text)}"

    def render(self) -> str:
        """The finding with its source line, a caret under the column, and the hint."""
        lines = [str(self)]
        if self.source_line:
            start = max(0, self.source.column - MAX_SHOWN_COLUMNS)
            shown = self.source_line[start : start + MAX_SHOWN_COLUMNS + 40].replace("\t", " ")
            lines += ["    " + printable(shown), "    " + " " * (self.source.column - 1 - start) + "^"]
        if self.hint:
            lines.append("    hint: " + printable(self.hint))
        return "\n".join(lines)


def printable(text: str) -> str:
    """*text* without controls, bidirectional marks or undecodable octets: each becomes ``?``.

    A script may hold any octet; a terminal or a log must not be told to obey it."""
    return "".join(character if character.isprintable() else "?" for character in text)


class ScriptError(SieveError):
    """A script that cannot be run, with everything that is wrong with it, in source order."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        errors = [d for d in diagnostics if d.severity is Severity.ERROR]
        super().__init__("\n".join(map(str, errors)) or "the script has errors behind too many warnings")
        self.diagnostics = tuple(diagnostics)
        self.errors = tuple(errors)
