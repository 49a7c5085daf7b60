"""explain_text - what `tamis policy explain` prints: for people, and as JSON. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tamis.config.units import format_duration
from tamis.log import safe

if TYPE_CHECKING:
    from policyd.rehearsal.explained import Part, Told
    from policyd.rehearsal.watched import Call
    from tamis.pipeline import Result
    from tamis.store import Window

MAX_CALLS_SHOWN = 20
_COLOURS = {"pass": "32", "discard": "35", "hold": "35", "defer": "33", "reject": "31"}
_NOT_SHOWN = frozenset({"now", "once", "windows"})


class Paint:
    """Words in colour, if they are for a terminal."""

    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, code: str, text: str) -> str:
        """*text* in the SGR *code*."""
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


def lines(told: Told, paint: Paint) -> Iterator[str]:
    """The whole story of one request."""
    known = [f"{name}={safe(value)}" for name, value in told.attributes.items() if value]
    yield paint("1", "request") + f"  {' '.join(known)}"
    for number, part in enumerate(told.parts, 1):
        yield from _part(number, part, told, paint)
    if not told.parts:
        yield "  no check is configured"
    findings = told.judged.txn.findings if told.judged else None
    if findings and (findings.score or findings.tags):
        yield f"score {findings.score:g}  tags {' '.join(sorted(findings.tags)) or 'none'}"
    yield paint("1", told.reply)
    yield ""


def _part(number: int, part: Part, told: Told, paint: Paint) -> Iterator[str]:
    configured = part.configured
    how = f"{configured.check.name}, {configured.mode}, on_error = {configured.on_error}"
    yield f"{number:3}  {paint('1', configured.label)}  ({how})"
    if part.result is None:
        yield f"       not asked: {part.why}"
        return
    values = {**told.attributes}
    read = [f"{name}={safe(values.get(name, '')) or '-'}" for name in sorted(part.notes.read)]
    if read:
        yield f"       read   {' '.join(read)}"
    yield from _calls("store", part.notes.store)
    yield from _calls("dns", part.notes.dns)
    yield f"       {_said(part.result, paint)}"


def _calls(what: str, calls: Sequence[Call]) -> Iterator[str]:
    for call in calls[:MAX_CALLS_SHOWN]:
        yield f"       {what:<6} {_call(call)}"
    if len(calls) > MAX_CALLS_SHOWN:
        yield f"       {what:<6} ... and {len(calls) - MAX_CALLS_SHOWN} more (--json has them)"


def _call(call: Call) -> str:
    shown = [_short(value) for name, value in call.arguments.items() if name not in _NOT_SHOWN]
    if call.verb == "watch" and not isinstance(call.answer, Exception):
        return f"watch {_short(call.arguments['account'])}: {', '.join(_sightings(call))}"
    head = f"{call.verb} {' '.join(shown)}"
    if call.before is not None:
        again = getattr(call.answer, "repeated", False)
        return f"{head}: {', '.join(_windows(call))}{' (a repeated request)' if again else ''}"
    return f"{head}: {_short(call.answer)}"


def _sightings(call: Call) -> Iterator[str]:
    """``recipients 12 in 1h (3 new)``, and what is held against the account."""
    for sighting, count in zip(call.arguments["sightings"], call.answer.counts, strict=False):
        if count.distinct:
            new = f" ({count.new} new)" if count.new else ""
            yield f"{sighting.kind} {count.distinct} in {format_duration(sighting.window_s)}{new}"
    standing = call.answer.standing
    yield f"stage {standing.stage}{', locked' if standing.locked_until else ''}"


def _windows(call: Call) -> Iterator[str]:
    """``100/1h 37 left -> 36``, and what messages hold."""
    assert call.before is not None
    after = call.after or call.before
    for window, old, new in zip(call.arguments["windows"], call.before.levels, after.levels, strict=True):
        yield f"{window.count}{_span(window)} {old.left} left -> {new.left}"
    if call.before.held or after.held:
        yield f"held {call.before.held} -> {after.held}"
    if after.extra:
        yield f"{after.extra} granted"


def _span(window: Window) -> str:
    """``/1h``, or ``until 2026-12-25 00:00 UTC`` for a day of the calendar."""
    if window.ends:
        return f" until {datetime.fromtimestamp(window.ends, UTC):%Y-%m-%d %H:%M} UTC:"
    return f"/{format_duration(window.period_s)}"


def _short(value: Any) -> str:
    if is_dataclass(value) and not isinstance(value, type):
        fields = ((name, item) for name, item in asdict(value).items() if item)
        return f"({', '.join(f'{name}={_short(item)}' for name, item in fields)})"
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if isinstance(value, tuple | list):
        return (
            " ".join(f"[{_short(item)}]" if isinstance(item, tuple) else _short(item) for item in value)
            or "none"
        )
    if isinstance(value, float):
        return f"{value:.15g}"
    return safe(str(value), 200) or '""'


def _said(result: Result, paint: Paint) -> str:
    verdict = result.verdict
    words = [paint(_COLOURS[verdict.kind.value], verdict.kind.value)]
    words += [verdict.reason] if verdict.reason else []
    words += [f"score {verdict.score:+g}"] if verdict.score else []
    words += [f"tags {' '.join(verdict.tags)}"] if verdict.tags else []
    words += [f"[{verdict.status} {safe(verdict.text)}]".replace("[ ", "[")] if verdict.text else []
    if result.error:
        words.append("(the check failed)")
    if not result.obeyed:
        words.append("(not obeyed: on_error = pass)" if result.error else "(not obeyed: shadow)")
    if verdict.final:
        words.append("(no check after it is asked)")
    return "  ".join(words)


def record(told: Told) -> dict[str, Any]:
    """The story as JSON has it."""
    findings = told.judged.txn.findings if told.judged else None
    return {
        "time": round(told.now, 3),
        "request": dict(told.attributes),
        "checks": [_part_record(part) for part in told.parts],
        "score": findings.score if findings else 0.0,
        "tags": sorted(findings.tags) if findings else [],
        "verdict": told.judged.decision.verdict.kind.value if told.judged else "pass",
        "check": told.judged.decision.label if told.judged else "",
        "reply": told.reply,
    }


def _part_record(part: Part) -> dict[str, Any]:
    configured, result = part.configured, part.result
    about = {
        "label": configured.label,
        "check": configured.check.name,
        "mode": configured.mode,
        "on_error": configured.on_error,
        "asked": result is not None,
    }
    if result is None:
        return {**about, "why": part.why}
    verdict = result.verdict
    return {
        **about,
        "read": sorted(part.notes.read),
        "store": [_call_record(call) for call in part.notes.store],
        "dns": [_call_record(call) for call in part.notes.dns],
        "verdict": verdict.kind.value,
        "status": verdict.status,
        "text": verdict.text,
        "reason": verdict.reason,
        "score": verdict.score,
        "tags": list(verdict.tags),
        "edits": [_plain(edit) for edit in verdict.edits],
        "final": verdict.final,
        "obeyed": result.obeyed,
        "error": result.error,
    }


def _call_record(call: Call) -> dict[str, Any]:
    told = {"verb": call.verb, "arguments": _plain(call.arguments), "answer": _plain(call.answer)}
    return {**told, "before": _plain(call.before), "after": _plain(call.after)} if call.before else told


def _plain(value: Any) -> Any:
    """*value* as JSON can have it."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    match value:
        case float() if not math.isfinite(value):
            return None
        case None | str() | int() | float():
            return value
        case bytes():
            return value.decode("utf-8", "surrogateescape")
        case Mapping():
            return {str(name): _plain(item) for name, item in value.items()}
        case tuple() | list():
            return [_plain(item) for item in value]
    return str(value)
