"""text - the story of one run for people: each command, its tests with what they compared, and the end. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lda import sieve
from lda.explain import ending
from lda.explain.questions import asked
from lda.explain.run import Told
from lda.explain.statement import MAX_STRINGS, listed, quoted, written
from lda.sieve import ast
from lda.sieve.diagnostics import printable
from lda.sieve.trace import Decision, Evaluation, Step

MAX_STEPS_SHOWN = 500
_MAX_INDENT = 16
_VERBS = {
    ":is": ("is", "is not"),
    ":contains": ("contains", "does not contain"),
    ":matches": ("matches", "does not match"),
    ":regex": ("matches", "does not match"),
    ":list": ("is in", "is not in"),
}


class Paint:
    """Words in colour, if they are for a terminal."""

    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, code: str, text: str) -> str:
        """*text* in the SGR *code*."""
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

    def result(self, value: bool | None) -> str:
        """``true``, ``false``, or that there is none."""
        if value is None:
            return self("33", "not finished")
        return self("32", "true") if value else self("31", "false")


def lines(told: Told, paint: Paint) -> Iterator[str]:
    """The whole story."""
    script, place, indent = told.script.name, sieve.Source(), 0
    for index, (step, entries) in enumerate(steps(told)):
        if index == MAX_STEPS_SHOWN:
            yield f"      ... and {len(told.trace.steps) - index} more commands (--json has them)"
            break
        if step.source.script != script:
            script = step.source.script
            yield paint("2", f"      in {printable(script)}:")
        same_line = (place.script, place.line) == (step.source.script, step.source.line)
        if not same_line:
            indent = min(max(step.source.column - 1, 0), _MAX_INDENT)
        inside = 2 if same_line and step.source.column > place.column else 0
        yield from _step(step, entries, paint, " " * (indent + inside))
        place = step.source if not inside else place
    if not told.trace.steps:
        yield "      no command ran"
    yield ""
    yield "what would happen:"
    for sentence in ending.sentences(told):
        yield f"  {printable(sentence)}"
    for warning in told.plan.warnings:
        yield f"  warning: {printable(warning.text)} ({ending.place(warning.source, told.script.name)})"


def steps(told: Told) -> Iterator[tuple[Step, Sequence[Evaluation | Decision]]]:
    """Each command with its tests and decisions."""
    trace = told.trace
    ends = [step.first for step in trace.steps[1:]] + [len(trace.entries)]
    for step, end in zip(trace.steps, ends, strict=False):  # without a step there is one end too many
        yield step, trace.entries[step.first : end]


def taken(entries: Sequence[Evaluation | Decision]) -> bool | None:
    """The result of a command's own test; None: it has none."""
    for entry in entries:
        if isinstance(entry, Evaluation) and entry.depth == 0:
            return entry.result
    return None


def _step(step: Step, entries: Sequence[Evaluation | Decision], paint: Paint, indent: str) -> Iterator[str]:
    yield f"{step.source.line:4}  {indent}{paint('1', written(step.node))}"
    margin = " " * 10 + indent
    yield from (f"{margin}{asked(question, answer)}" for question, answer in step.asked)
    for entry in entries:
        if isinstance(entry, Evaluation):
            yield from _evaluation(entry, margin, paint, named=entry.depth > 0)
        else:
            yield f"{margin}{paint('36', '-> ' + printable(ending.deed(entry.action)))}"
    yield from (margin + line for line in _effects(step))


def _effects(step: Step) -> Iterator[str]:
    for name, value in step.variables:
        yield f"${{{name}}} = {quoted(value)}"
    if step.flags is not None:
        yield f"flags are now: {' '.join(step.flags) or 'none'}"
    if step.edited:
        yield "the message is changed"
    if step.note:
        yield printable(step.note)


def _evaluation(entry: Evaluation, margin: str, paint: Paint, *, named: bool) -> Iterator[str]:
    margin += "  " * entry.depth
    name = f"{written(entry.node, depth=1)}: " if named and isinstance(entry.node, ast.Test) else ""
    found = details(entry)
    first = f": {found[0]}" if found else ""
    yield f"{margin}{name}{paint.result(entry.result)}{first}"
    yield from (f"{margin}  {line}" for line in found[1:])


def details(entry: Evaluation) -> list[str]:
    """What a test has looked at, line by line."""
    found = [f"{name}: {printable(what)}" for name, what in entry.facts]
    found = ["; ".join(found)] if found else []
    found += [asked(question, answer) for question, answer in entry.asked]
    if entry.values or (entry.values is not None and not found):
        found += _comparison(entry, entry.values)
    if entry.captures:
        shown = enumerate(entry.captures[: MAX_STRINGS + 1])
        found.append(", ".join(f"${{{number}}} = {quoted(value)}" for number, value in shown))
    return found


def _comparison(entry: Evaluation, values: Sequence[str | None]) -> Iterator[str]:
    kind, _, relation = entry.match.partition(" ")
    relation = relation.strip('"')
    positive, negative = _VERBS.get(kind, (f"is {relation}", f"is not {relation}"))
    how = f"({entry.comparator})"
    if kind == ":count":
        counted = "1 value" if len(values) == 1 else f"{len(values)} values"
        verb = positive if entry.result else negative
        yield f"{counted} ({listed(values)}): the number {verb} {listed(entry.keys)} {how}"
    elif not values:
        yield "there is nothing to compare"
    elif entry.pair is not None:
        yield f"{_around(*entry.pair)} {positive} {quoted(entry.pair[1])} {how}"
    elif entry.result:
        yield f"{listed(values)} {positive} {listed(entry.keys)} {how}"
    elif len(values) == 1:
        yield f"{listed(values)} {negative} {listed(entry.keys, 'or')} {how}"
    else:
        yield f"none of {listed(values)} {positive} {listed(entry.keys, 'or')} {how}"


def _around(value: str, key: str) -> str:
    """*value*, or the piece of a long one in which *key* can be read."""
    at = value.lower().find(key.lower()) if key else -1
    if len(value) <= 60 or at < 20:
        return quoted(value)
    return "..." + quoted(value[at - 20 :])
