"""patterns - regular expressions of admins, on RE2: time linear in the value, memory bounded, whatever the pattern.

Values are bytes, for what the remote side sends need not be UTF-8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import re2  # type: ignore[import-untyped]

MAX_PROGRAM_BYTES = 1 << 20
MAX_PATTERN_CHARS = 4000
MAX_STEPS = 300_000_000  # two seconds: bytes times instructions, which is what the worst expressions take
MAX_VALUE_BYTES = 8192  # a HELO line or an address holds less

_DELIMITED = re.compile(r"/((?:[^/\\]|\\.)*)/([im]*)", re.DOTALL)


class BadPattern(ValueError):
    """A sentence: what RE2 does not take, and why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled expression. groups: how many it captures. most_bytes: so many it looks at, see `MAX_STEPS`."""

    groups: int
    most_bytes: int
    _compiled: Any

    def search(self, value: str) -> tuple[str, ...] | None:
        """The captured groups, "" for those that took no part; None where it does not fit."""
        found = self._compiled.search(value.encode("utf-8", "surrogateescape")[:MAX_VALUE_BYTES])
        if found is None:
            return None
        return tuple((group or b"").decode("utf-8", "surrogateescape") for group in found.groups())

    def found_in(self, value: bytes) -> bool:
        """Whether it is found in *value*, or in the first `most_bytes` of that."""
        return (
            self._compiled.search(value if len(value) <= self.most_bytes else value[: self.most_bytes])
            is not None
        )

    def fits(self, value: str) -> bool:
        """Whether it is found in *value*."""
        return self.search(value) is not None


def delimited(text: str, *, utf8: bool = False) -> Pattern:
    """From ``/pattern/`` with flags behind it as in regexp_table(5): i, which turns minding case on, for it is off; m.

    Raises BadPattern."""
    found = _DELIMITED.fullmatch(text)
    if found is None:
        raise BadPattern(f"{text} is no /pattern/, with at most the flags i and m")
    flags = found[2]
    source = found[1].replace("\\/", "/")
    return compiled(source, fold=flags.count("i") % 2 == 0, multiline="m" in flags, utf8=utf8)


def compiled(pattern: str, *, fold: bool = True, multiline: bool = False, utf8: bool = False) -> Pattern:
    """*pattern*, not minding case by default. utf8: values are text, and a character is not a byte. Raises
    BadPattern."""
    if len(pattern) > MAX_PATTERN_CHARS:
        raise BadPattern(f"longer than {MAX_PATTERN_CHARS} characters")
    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.UTF8 if utf8 else re2.Options.Encoding.LATIN1
    options.case_sensitive = not fold
    options.max_mem = MAX_PROGRAM_BYTES
    options.dot_nl = not multiline
    flags = "(?m)" if multiline else ""
    try:
        made = re2.compile((flags + pattern).encode("utf-8", "surrogateescape"), options)
    except re2.error as exc:
        reason = exc.args[0] if exc.args else "no regular expression"
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise BadPattern(f"RE2 says: {text}") from None
    return Pattern(made.groups, MAX_STEPS // max(1, made.programsize), made)
