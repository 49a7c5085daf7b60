"""text - one event as one line of text: logfmt or JSON. Pure.

`safe` is the one place where control characters, line ends, direction marks and lone surrogates are escaped
and lengths are cut: whatever a peer sent, a line stays one line and shows what it is.
"""

from __future__ import annotations

import json
import math
import re
import traceback
from collections.abc import Callable, Mapping

MAX_VALUE_CHARS = 1024
MAX_TRACEBACK_CHARS = 4000
MAX_LINE_BYTES = 8000  # rsyslog's default $MaxMessageSize is 8 KiB

# Printable ASCII but blank, quote, equals sign and backslash: needs no quotes in logfmt.
_NOT_BARE = re.compile(r"[^!#-<>-\[\]-~]").search
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


Render = Callable[[Mapping[str, object], int], str]
"""From fields and the greatest length of a value to text."""


def safe(text: str, limit: int = MAX_VALUE_CHARS) -> str:
    r"""*text* on one line with nothing in it that is not printable, at most about *limit* characters long.

    Bytes that were no UTF-8 (surrogateescape) show as ``\xe9``, other characters as in Python's source."""
    text = _cut(text, limit)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}...({len(text)} characters)"


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def logfmt(fields: Mapping[str, object], limit: int) -> str:
    """``name=value`` words; what is not plain ASCII stands in quotes, ``\\`` and ``"`` escaped."""
    texts = {n: t for n, v in fields.items() if (t := v if type(v) is str else _text(v))}
    together = "".join(texts.values())
    if len(together) <= limit and not _NOT_BARE(together):  # nearly always: one look for all
        return " ".join([f"{name}={text}" for name, text in texts.items()])
    return " ".join([f"{name}={_word(text, limit)}" for name, text in texts.items()])


def _word(text: str, limit: int) -> str:
    if len(text) <= limit and not _NOT_BARE(text):
        return text
    text = _cut(text, limit).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + safe(text, 2 * limit + 40) + '"'


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(map(str, value))
    return str(value)


def json_members(fields: Mapping[str, object], limit: int) -> str:
    """The members of an object, without its opening brace."""
    members = {n: v for n, value in fields.items() if (v := _json_value(value, limit)) is not None}
    return _to_json(members)[1:]


def _json_value(value: object, limit: int) -> object:
    """*value* as JSON knows it; None where the field is empty."""
    if isinstance(value, str):
        return safe(value, limit) if value else None
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [safe(str(item), limit) for item in value] or None
    return safe(_text(value), limit) or None


def shortened(render: Render, fields: Mapping[str, object], limit: int) -> dict[str, object]:
    """As many whole fields as fit one line, in order; cut in the middle, JSON would be no JSON."""
    kept: dict[str, object] = {}
    room = MAX_LINE_BYTES - 300
    for name, value in fields.items():
        cost = len(render({name: value}, limit).encode("utf-8", "replace")) + 1
        if cost <= room:
            kept[name] = value
            room -= cost
    return kept | {"shortened": True}


def too_long(line: str) -> bool:
    """Whether *line* is more than a syslogd takes whole."""
    if len(line) <= MAX_LINE_BYTES // 4:
        return False
    return len(line.encode("utf-8", "replace")) > MAX_LINE_BYTES


def described(exc: BaseException) -> str:
    """Type and sentence."""
    try:
        return f"{type(exc).__name__}: {exc}"
    except Exception:  # a __str__ with a defect of its own
        return type(exc).__name__


def traced(exc: BaseException) -> str:
    """The innermost part of the traceback."""
    try:
        return "".join(traceback.format_exception(exc, limit=-20))[-MAX_TRACEBACK_CHARS:]
    except Exception:  # the log has to survive what it reports
        return ""
