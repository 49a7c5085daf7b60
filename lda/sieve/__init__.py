"""sieve - the mail filtering language (RFC 5228): a pure machine that asks questions and returns a plan.

    script = compile_script(source, "main")                 # ScriptError carries every finding
    run = run_scripts([script], message, envelope, context) # a generator: yields Question, takes Answer
    ... drive it (lda/execute.py) ...                       # StopIteration.value is the Plan

No I/O in here: no clock, no files, no network. What a script must know about the world is in `Context` or is a
Question; what it wants done is in the Plan. Compiled scripts are immutable and may be cached and shared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lda.sieve.compile import Build, compile_commands
from lda.sieve.context import Context, Envelope
from lda.sieve.diagnostics import Diagnostic, Phase, ScriptError, Severity
from lda.sieve.extensions import LANGUAGE
from lda.sieve.extensions.control import report_lonely
from lda.sieve.includes import Includes, Library, Place
from lda.sieve.lex import Lines
from lda.sieve.limits import DEFAULT, Limits
from lda.sieve.machine import Script
from lda.sieve.plan import (
    Action,
    Answer,
    CanStore,
    Discard,
    FileInto,
    Keep,
    MailboxExists,
    Plan,
    Question,
    Redirect,
    Reject,
    Source,
    Store,
)
from lda.sieve.scope import BASE, Language, Scope
from lda.sieve.sequence import run_scripts
from lda.sieve.syntax import parse
from lda.sieve.trace import Trace
from lda.sieve.validate import check_script

__all__ = [
    "LANGUAGE",
    "Action",
    "Answer",
    "CanStore",
    "Context",
    "Diagnostic",
    "Discard",
    "Envelope",
    "FileInto",
    "Keep",
    "Language",
    "Library",
    "Limits",
    "MailboxExists",
    "Phase",
    "Place",
    "Plan",
    "Question",
    "Redirect",
    "Reject",
    "Script",
    "ScriptError",
    "Severity",
    "Source",
    "Store",
    "Trace",
    "compile_script",
    "run_scripts",
]


def compile_script(
    source: bytes,
    name: str,
    *,
    limits: Limits = DEFAULT,
    language: Language = LANGUAGE,
    traced: bool = False,
    library: Library | None = None,
    languages: Mapping[str, Language] | None = None,
    watch: Callable[[Place, Script], Script] | None = None,
) -> Script:
    """The compiled *source*; *name* is what findings call it. Raises ScriptError with all findings.

    language: what `require` can turn on. traced: the script can fill a `Trace`, and runs slower. library: the scripts
    that it can include, asked at most once for each; None: including one fails when the script runs. languages: of
    those, by location ("personal", "global"); without one, *language*. watch: may replace each of them by another that
    does the same and more."""

    def compile_one(source: bytes, name: str, includes: Includes, location: str = "") -> Script:
        parsed = parse(source, name, limits)
        spoken = (languages or {}).get(location, language)
        scope = Scope(spoken, Lines(source, name), limits, name, includes)
        commands = check_script(parsed.commands, scope, damaged=bool(parsed.diagnostics))
        report_lonely(commands, scope)
        found = sorted((*parsed.diagnostics, *scope.diagnostics), key=_order)
        if parsed.diagnostics or scope.failed:
            raise ScriptError(found)
        operations, sources = compile_commands(commands, Build(scope, traced), name)
        return Script(
            name=name,
            operations=operations,
            sources=sources,
            requires=frozenset(scope.enabled - {BASE}),
            warnings=tuple(found),
        )

    return compile_one(source, name, Includes(library, compile_one, watch))


def _order(finding: Diagnostic) -> tuple[int, int]:
    return finding.source.line, finding.source.column
