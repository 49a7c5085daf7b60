"""sieve - the mail filtering language (RFC 5228): a pure machine that asks questions and returns a plan.

    script = compile_script(source, "main")                 # ScriptError carries every finding
    run = run_scripts([script], message, envelope, context) # a generator: yields Question, takes Answer
    ... drive it (lda/execute.py) ...                       # StopIteration.value is the Plan

No I/O in here: no clock, no files, no network. What a script must know about the world is in `Context` or is a
Question; what it wants done is in the Plan. Compiled scripts are immutable and may be cached and shared.
"""

from __future__ import annotations

from lda.sieve.compile import Build, compile_commands
from lda.sieve.context import Context, Envelope
from lda.sieve.diagnostics import Diagnostic, Phase, ScriptError, Severity
from lda.sieve.extensions import LANGUAGE
from lda.sieve.lex import Lines
from lda.sieve.limits import DEFAULT, Limits
from lda.sieve.machine import Script, run_scripts
from lda.sieve.plan import (
    Action,
    Answer,
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
from lda.sieve.syntax import parse
from lda.sieve.trace import Trace
from lda.sieve.validate import check_script

__all__ = [
    "LANGUAGE",
    "Action",
    "Answer",
    "Context",
    "Diagnostic",
    "Discard",
    "Envelope",
    "FileInto",
    "Keep",
    "Language",
    "Limits",
    "MailboxExists",
    "Phase",
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
    source: bytes, name: str, *, limits: Limits = DEFAULT, language: Language = LANGUAGE, traced: bool = False
) -> Script:
    """The compiled *source*; *name* is what findings call it. Raises ScriptError with all findings.

    language: what `require` can turn on. traced: the script can fill a `Trace`, and runs slower."""
    parsed = parse(source, name, limits)
    scope = Scope(language, Lines(source, name), limits, name)
    commands = check_script(parsed.commands, scope, damaged=bool(parsed.diagnostics))
    found = sorted((*parsed.diagnostics, *scope.diagnostics), key=lambda d: (d.source.line, d.source.column))
    if parsed.diagnostics or scope.failed:
        raise ScriptError(found)
    build = Build(scope, traced)
    operations, sources = compile_commands(commands, build, name)
    return Script(
        name=name,
        operations=operations,
        sources=sources,
        requires=frozenset(scope.enabled - {BASE}),
        warnings=tuple(found),
    )
