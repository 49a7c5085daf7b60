"""toml - tables of an import as text: each under a comment that names the line it comes from. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tamis.cli.policy.importing.result import From, Place, Table, Value

MAX_LINE = 110
MAX_COMMENT = 160

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}


def written(tables: list[Table], at: str = "policyd.checks") -> str:
    """All *tables*, in their order, below the table *at*."""
    return "\n".join("".join(f"{line}\n" for line in _table(table, at)) for table in tables)


def comment(place: Place, words: str = "") -> str:
    """A comment of one line, whatever *words* hold."""
    text = f"{place}: {' '.join(words.split())}" if words else str(place)
    return "# " + _printable(text if len(text) <= MAX_COMMENT else f"{text[: MAX_COMMENT - 4]} ...")


def text(value: str) -> str:
    """*value* in quotes."""
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else _escaped(c)) for c in value) + '"'


def key(name: str) -> str:
    """*name* as a key: in quotes where it must be."""
    return name if _BARE.fullmatch(name) else text(name)


def _escaped(c: str) -> str:
    code = ord(c)
    if 0xD800 <= code < 0xE000:  # a byte that was no UTF-8: TOML has no word for it
        return f"\\\\x{code & 0xFF:02x}"
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in line)


def _table(table: Table, at: str) -> Iterator[str]:
    header = f"{at}.{key(table.label)}"
    yield comment(table.place, table.words)
    yield f"[{header}]"
    if table.check != table.label:
        yield f"check = {text(table.check)}"
    below: dict[str, Value] = {}
    for name, value in table.options.items():
        if isinstance(_bare(value), dict) or _is_tables(_bare(value)):
            below[name] = value
        else:
            yield from _assignment(name, value)
    for name, value in below.items():
        yield from _below(f"{header}.{key(name)}", value)


def _is_tables(value: Value) -> bool:
    return isinstance(value, list) and any(isinstance(_bare(one), dict) for one in value)


def _bare(value: Value) -> Value:
    return value.value if isinstance(value, From) else value


def _below(header: str, value: Value) -> Iterator[str]:
    """A table, or a list of tables, each with what it holds in one line a key."""
    value = _bare(value)
    for one in value if isinstance(value, list) else [value]:
        yield ""
        if isinstance(one, From):
            yield comment(one.place, one.words)
        yield f"[[{header}]]" if isinstance(value, list) else f"[{header}]"
        inner = _bare(one)
        assert isinstance(inner, dict)
        long = {}
        for name, held in inner.items():
            if isinstance(held, dict) and len(f"{key(name)} = {_inline(held)}") > MAX_LINE:
                long[name] = held
            else:
                yield from _assignment(name, held)
        for name, held in long.items():
            if not isinstance(value, list):
                yield ""
            yield f"[{header}.{key(name)}]"
            for inner_name, each in held.items():
                yield from _assignment(inner_name, each)


def _assignment(name: str, value: Value) -> Iterator[str]:
    if isinstance(value, From):
        yield comment(value.place, value.words)
        value = value.value
    line = f"{key(name)} = {_inline(value)}"
    if not isinstance(value, list) or (len(line) <= MAX_LINE and not _has_comments(value)):
        yield line
        return
    yield f"{key(name)} = ["
    for one in value:
        if isinstance(one, From):
            yield f"    {comment(one.place, one.words)}"
        yield f"    {_inline(one)},"
    yield "]"


def _has_comments(values: list[Value]) -> bool:
    return any(isinstance(one, From) for one in values)


def _inline(value: Value) -> str:
    match _bare(value):
        case bool() as flag:
            return "true" if flag else "false"
        case str() as words:
            return text(words)
        case list() as values:
            return f"[{', '.join(map(_inline, values))}]"
        case dict() as pairs:
            inner = ", ".join(f"{key(name)} = {_inline(one)}" for name, one in pairs.items())
            return f"{{ {inner} }}" if inner else "{}"
        case number:
            return repr(number)
