"""check - `tamis sieve check FILE...`: every error and warning of a script, with its place and what would mend it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tamis.cli.sieve.site import add_argument, site_of
from tamis.outcome import EX_OK

if TYPE_CHECKING:
    from lda.explain.site import Site
    from lda.sieve import Diagnostic, Place

FOUND = 1

_EPILOG = """\
examples:
  tamis sieve check ~/.dovecot.sieve
  tamis sieve check --personal ~/sieve --global /etc/dovecot/sieve main.sieve
  tamis sieve check - < script

--json prints one list of findings, in the order of the files and their lines, each an object:
  file, line, column   where; counted from 1, columns in characters
  severity             "error" or "warning"
  phase                "syntax" or "validation"
  text, hint           a sentence; what would mend it, or ""

exit status:
  0 no errors, perhaps warnings   1 errors   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a script, or a test file; - reads one from stdin"
    )
    add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="the findings as a JSON list")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What decides how scripts are read: the site, and where those lie that are included."""
    parser.add_argument(
        "--personal", metavar="DIR", type=Path, help="where `include :personal` looks for NAME.sieve"
    )
    parser.add_argument(
        "--global", metavar="DIR", type=Path, dest="site", help="where `include :global` looks for NAME.sieve"
    )
    add_argument(parser, usual="that of this host, if it can be read")


def run(args: argparse.Namespace) -> int:
    """Print all findings; 1 if there are errors. Raises ConfigError."""
    site = site_of(args.config, here=True)
    included = library(args.personal, args.site or site.scripts.site)
    found: list[Diagnostic] = []
    for name in args.files:
        found += _findings(name, included, site)
    errors = sum(finding.severity.value == "error" for finding in found)
    if args.json:
        print(json.dumps(findings_record(found)))
    else:
        tell(found, errors, len(args.files))
    return FOUND if errors else EX_OK


def library(personal: Path | None, site: Path | None) -> Callable[[Place], bytes | None] | None:
    """Reads included scripts; None: they are not looked at."""
    if personal is None and site is None:
        return None

    def read(place: Place) -> bytes | None:
        directory = site if place.location == "global" else personal
        try:
            return (directory / f"{place.name}.sieve").read_bytes() if directory else None
        except OSError:
            return None

    return read


def _findings(
    name: str, library: Callable[[Place], bytes | None] | None, site: Site
) -> tuple[Diagnostic, ...]:
    from lda import sieve
    from lda.sieve import testsuite

    language = testsuite.LANGUAGE if ".svtest" in Path(name).name else None
    try:
        source = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as exc:
        text = f"the file cannot be read: {exc.strerror}"
        return (sieve.Diagnostic(source=sieve.Source(name), text=text),)
    try:
        return site.compiled(source, name, library, language=language).warnings
    except sieve.ScriptError as error:
        return error.diagnostics


def tell(found: Iterable[Diagnostic], errors: int, files: int) -> None:
    """Print the findings for people."""
    warnings = 0
    for finding in found:
        print(finding.render())
        warnings += finding.severity.value == "warning"
    scripts = "1 script" if files == 1 else f"{files} scripts"
    print(f"{scripts}: {errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}")


def findings_record(found: Iterable[Diagnostic]) -> list[dict[str, str | int]]:
    """The findings for programs."""
    return list(map(_as_json, found))


def _as_json(finding: Diagnostic) -> dict[str, str | int]:
    return {
        "file": finding.source.script,
        "line": finding.source.line,
        "column": finding.source.column,
        "severity": finding.severity.value,
        "phase": finding.phase.value,
        "text": finding.text,
        "hint": finding.hint,
    }
