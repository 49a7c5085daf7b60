"""statement - a command or test of a script on one line, as it would be written; long ones shortened. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lda.sieve import ast
from lda.sieve.diagnostics import printable

MAX_STRING = 60
MAX_STRINGS = 5
_MAX_TESTS = 6


def quoted(text: str, limit: int = MAX_STRING) -> str:
    """*text* as a quoted string that a terminal can show, at most *limit* characters of it."""
    shown = text if len(text) <= limit else text[:limit]
    shown = shown.replace("\\", "\\\\").replace('"', '\\"')
    shown = shown.replace("\r\n", "\\n").replace("\n", "\\n").replace("\t", "\\t")
    return f'"{printable(shown)}"' + ("..." if len(text) > limit else "")


def listed(strings: Sequence[str | None], last: str = "") -> str:
    """Them all, or the first of many. last: the word before the last one."""
    shown = ["no such part" if text is None else quoted(text) for text in strings[:MAX_STRINGS]]
    if len(strings) > MAX_STRINGS:
        return f"{', '.join(shown)}, ... {len(strings) - MAX_STRINGS} more"
    if last and len(shown) > 1:
        return f"{', '.join(shown[:-1])} {last} {shown[-1]}"
    return ", ".join(shown) or "nothing"


def written(node: ast.Node, *, depth: int = 2) -> str:
    """*node* without its block. depth: how deep tests in tests are written out."""
    if not isinstance(node, ast.Test):
        return ""
    words = [node.name, *map(_argument, node.arguments)]
    if node.tests and depth:
        inner = [written(test, depth=depth - 1) for test in node.tests[:_MAX_TESTS]]
        inner += ["..."] * (len(node.tests) > _MAX_TESTS)
        words.append(f"({', '.join(inner)})" if node.listed else inner[0])
    elif node.tests:
        words.append("(...)")
    return " ".join(words)


def _argument(argument: ast.Argument) -> str:
    match argument:
        case ast.String(value=value):
            return quoted(value)
        case ast.StringList(items=items):
            shown = [quoted(item.value) for item in items[:MAX_STRINGS]]
            shown += [f"... {len(items) - MAX_STRINGS} more"] * (len(items) > MAX_STRINGS)
            return f"[{', '.join(shown)}]"
        case ast.Number(value=value):
            return _size(value)
        case ast.Tag(name=name):
            return name
    raise TypeError(f"no way to write {type(argument).__name__}")


def _size(value: int) -> str:
    """With the quantifier that its writer probably used."""
    for letter, unit in (("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)):
        if value and value % unit == 0:
            return f"{value // unit}{letter}"
    return str(value)
