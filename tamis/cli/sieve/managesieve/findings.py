"""findings - what a server says about a script, as findings with their lines, where it names lines.

Pigeonhole, Cyrus and Stalwart each have a form of their own, but all of them write ``line 3`` somewhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tamis.log import safe

if TYPE_CHECKING:
    from lda.sieve import Diagnostic

MAX_FINDINGS = 100
MAX_CHARS = 1000

_LINE = re.compile(
    r"(?:.{0,512}?:\s+)?line (?P<line>[0-9]{1,7}):\s*(?:(?P<kind>error|warning):\s*)?(?P<text>.*)",
    re.IGNORECASE,
)
_SOMEWHERE = re.compile(r"(?P<text>.{0,512}?\bline (?P<line>[0-9]{1,7})\b.*)", re.IGNORECASE)
_SUMMARY = re.compile(r"(?:parse|validation|compilation|script)s? (?:failed|errors?):?", re.IGNORECASE)
_SEVERITY = re.compile(r"(?:^|.{0,512}?:\s)(?P<kind>error|warning):\s*(?P<text>.*)", re.IGNORECASE)


def findings(said: str, script: str, failed: bool) -> tuple[Diagnostic, ...]:
    """*script*: how findings call it. failed: what has no mark of its own is an error, else a warning.

    A line that names no line of the script is a finding without one, unless it only sums up."""
    lines = [line.strip()[:MAX_CHARS] for line in said.splitlines() if line.strip()][:MAX_FINDINGS]
    found = [_finding(line, script, failed) for line in lines]
    if any(finding.source.line for finding in found):
        found = [finding for finding in found if finding.source.line or not _SUMMARY.fullmatch(finding.text)]
    return tuple(found)


def shown(finding: Diagnostic, script: str) -> str:
    """As our own findings look, but without a column: servers name none. *script* is its text."""
    line = finding.source.line
    place = f"{finding.source.script}:{line}" if line else finding.source.script
    told = f"{safe(place)}: {finding.severity.value}: {safe(finding.text)} (says the server)"
    lines = script.splitlines()
    return f"{told}\n    {safe(lines[line - 1].strip(), 160)}" if 0 < line <= len(lines) else told


def _finding(text: str, script: str, failed: bool) -> Diagnostic:
    from lda.sieve import Diagnostic, Severity, Source

    match = _LINE.match(text) or _SOMEWHERE.match(text) or _SEVERITY.match(text)
    groups = match.groupdict() if match else {}
    kind = (groups.get("kind") or ("error" if failed else "warning")).lower()
    return Diagnostic(
        source=Source(script, int(groups.get("line") or 0)),
        text=(groups.get("text") or text).rstrip("."),
        severity=Severity(kind),
    )
