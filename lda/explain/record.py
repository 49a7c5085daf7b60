"""record - the story of one run for programs: what docs/sieve-tools.md promises, ready for JSON. Pure.

Strings are cut at `MAX_STRING` characters and lists at `MAX_LIST`; numbers count from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lda import sieve
from lda.explain import ending
from lda.explain.questions import asked
from lda.explain.run import Told
from lda.explain.statement import written
from lda.explain.text import steps, taken
from lda.sieve.diagnostics import Diagnostic
from lda.sieve.trace import Decision, Evaluation, Step

MAX_STRING = 1000
MAX_LIST = 100

Json = dict[str, Any]


def of(told: Told) -> Json:
    """The whole story."""
    occasion, plan = told.occasion, told.plan
    envelope = occasion.envelope
    return {
        "script": told.script.name,
        "envelope": {
            "sender": envelope.sender,
            "recipient": envelope.recipient,
            "original_recipient": envelope.original_recipient,
        },
        "now": occasion.now.isoformat(),
        "size": occasion.message.size_bytes,
        "steps": [_step(step, entries) for step, entries in steps(told)],
        "cut": told.trace.cut,
        "result": _result(told),
        "error": None if plan.error is None else _finding(plan.error),
        "warnings": list(map(_finding, plan.warnings)),
    }


def _result(told: Told) -> Json:
    plan = told.plan
    return {
        "summary": list(ending.sentences(told)),
        "kept": ending.kept(plan),
        "why": ending.why_kept(told),
        "keep_flags": list(plan.keep_flags),
        "actions": list(map(action_of, plan.actions)),
    }


def action_of(action: sieve.Action) -> Json:
    """One decision, with what is special to its kind."""
    record: Json = {
        "action": "fileinto" if isinstance(action, sieve.FileInto) else action.name,
        "cancels_keep": action.cancels_keep,
        "text": ending.deed(action),
        **_place(action.source),
    }
    for name in ("mailbox", "flags", "address", "reason", "program", "arguments"):
        if hasattr(action, name):
            value = getattr(action, name)
            record[name] = _strings(value) if isinstance(value, tuple) else _string(value)
    return record


def _step(step: Step, entries: Sequence[Evaluation | Decision]) -> Json:
    return {
        **_place(step.source),
        "level": step.level,
        "command": step.name,
        "text": written(step.node),
        "taken": taken(entries),
        "tests": [_test(entry) for entry in entries if isinstance(entry, Evaluation)],
        "actions": [action_of(entry.action) for entry in entries if isinstance(entry, Decision)],
        "variables": {name: _string(value) for name, value in step.variables},
        "flags": None if step.flags is None else list(step.flags),
        "edited": step.edited,
        "note": _string(step.note),
        "asked": [asked(question, answer) for question, answer in step.asked],
        "failed": not step.done,
    }


def _test(entry: Evaluation) -> Json:
    return {
        **_place(entry.source),
        "test": entry.name,
        "text": "" if entry.node is None else written(entry.node),
        "depth": entry.depth,
        "result": entry.result,
        "match": entry.match,
        "comparator": entry.comparator,
        "values": None if entry.values is None else _strings(entry.values),
        "keys": _strings(entry.keys),
        "matched": None
        if entry.pair is None
        else dict(zip(("value", "key"), _strings(entry.pair), strict=True)),
        "captures": _strings(entry.captures),
        "facts": dict(entry.facts),
        "asked": [asked(question, answer) for question, answer in entry.asked],
    }


def _place(source: sieve.Source) -> Json:
    return {"script": source.script, "line": source.line, "column": source.column}


def _finding(finding: Diagnostic) -> Json:
    return {**_place(finding.source), "text": finding.text}


def _string(text: str) -> str:
    """Octets that were no UTF-8 cannot stand in JSON."""
    return text[:MAX_STRING].encode("utf-8", "replace").decode()


def _strings(texts: Sequence[str | None]) -> list[str | None]:
    return [None if text is None else _string(text) for text in texts[:MAX_LIST]]
