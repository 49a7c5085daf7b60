"""lines - where in a TOML text each key stands, which tomllib does not say.

A scanner for texts that tomllib has accepted: it looks only for what moves the path, and steps over values. For a
text that tomllib refused it goes as far as it can, to say which key was given twice and where first. TOML 1.0.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate

from tamis.config.where import Where, dotted
from tamis.errors import Problem

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_SCALAR = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[^\s,\]}#]*"
    r"|[^\s,\[\]{}#\"']+",
    re.DOTALL,
)
_PLACE = re.compile(r"(.*) \(at (?:line ([0-9]+), column [0-9]+|end of document)\)", re.DOTALL)
_PLAINER = {
    "Expected newline or end of document after a statement": "something is left over behind the value; "
    'texts, times and sizes stand in quotes: "5m"',
    "Invalid value": 'no value; texts stand in quotes: "unix:/run/x"',
    "Illegal character '\\n'": "a quote is not closed in this line",
    "Invalid initial character for a key part": "expected a name here",
}
_TWICE = re.compile(r"Cannot (?:overwrite|declare|redefine|mutate)|Duplicate inline table key")


def line_map(text: str) -> dict[Where, int]:
    """The line of every key, table and list item of *text*, which is valid TOML."""
    scan = _Scan(text)
    scan.run()
    return scan.lines


def syntax_problem(file: str, text: str, message: str) -> Problem:
    """What tomllib said about *text* as a problem with its line and, where it is known, its key."""
    match = _PLACE.fullmatch(message)
    if not match:
        return Problem(file, 0, "", f"not TOML: {message}")
    what, line = match[1], int(match[2] or text.count("\n", 0, len(text.rstrip())) + 1)
    if not _TWICE.match(what):
        return Problem(file, line, "", f"not TOML: {_PLAINER.get(what) or what[0].lower() + what[1:]}")
    scan = _Scan(text)
    scan.run()
    if scan.twice and scan.twice[2] <= line:
        where, first, second = scan.twice
        return Problem(file, second, dotted(where), f"is given twice, first in line {first}")
    return Problem(file, line, "", "gives a key or table that was already given")


class _LostError(Exception):
    """The text is not what TOML would have there."""


@dataclass(slots=True)
class _Scan:
    """One pass over *text*. *twice*: path, first line and line of the first key or table given twice."""

    text: str
    lines: dict[Where, int] = field(default_factory=dict)
    twice: tuple[Where, int, int] | None = None
    _at: int = 0
    _starts: list[int] = field(default_factory=list)
    _given: set[Where] = field(default_factory=set)
    _lengths: dict[Where, int] = field(default_factory=dict)

    def run(self) -> None:
        """Fill `lines` to the end of the text, or to where it stops being TOML."""
        self._starts = [0, *accumulate(len(line) + 1 for line in self.text.split("\n"))]
        # what is wrong is tomllib's to say; the lines found so far are right
        with suppress(_LostError, RecursionError):
            self._document()

    def _document(self) -> None:
        table: Where = ()
        while self._skip(_BLANK) < len(self.text):
            if self._take("[["):
                table = self._header("]]")
            elif self._take("["):
                table = self._header("]")
            else:
                self._pair(table)

    def _header(self, end: str) -> Where:
        line = self._line()
        self._skip(_SPACE)
        *parents, last = self._dotted_key()
        where = self._below((), parents, line)
        self._expect(end)
        if end == "]":
            self._give((*where, last), line)
            return (*where, last)
        return self._item((*where, last), line)

    def _item(self, where: Where, line: int) -> Where:
        """One more table of the list at *where*."""
        self.lines.setdefault(where, line)
        count = self._lengths.get(where, 0)
        self._lengths[where] = count + 1
        self.lines[*where, count] = line
        return (*where, count)

    def _below(self, where: Where, keys: list[str], line: int) -> Where:
        """The table that *keys* lead to; in a list of tables the last one is meant."""
        for key in keys:
            where = (*where, key)
            self.lines.setdefault(where, line)
            if where in self._lengths:
                where = (*where, self._lengths[where] - 1)
        return where

    def _pair(self, table: Where) -> None:
        line = self._line()
        *parents, last = self._dotted_key()
        where = (*self._below(table, parents, line), last)
        self._give(where, line)
        self._expect("=")
        self._skip(_SPACE)
        self._value(where)

    def _give(self, where: Where, line: int) -> None:
        if where in self._given and not self.twice:
            self.twice = (where, self.lines[where], line)
        self._given.add(where)
        self.lines[where] = line

    def _value(self, where: Where) -> None:
        if self._take("["):
            self._list(where)
        elif self._take("{"):
            self._inline_table(where)
        else:
            self._match(_SCALAR)

    def _list(self, where: Where) -> None:
        count = 0
        self._skip(_BLANK)
        while not self._take("]"):
            here = (*where, count)
            self.lines[here] = self._line()
            self._value(here)
            count += 1
            self._skip(_BLANK)
            self._take(",")
            self._skip(_BLANK)

    def _inline_table(self, where: Where) -> None:
        self._skip(_SPACE)
        while not self._take("}"):
            self._pair(where)
            self._skip(_SPACE)
            self._take(",")
            self._skip(_SPACE)

    def _dotted_key(self) -> list[str]:
        keys = [self._key()]
        while self._skip(_SPACE) < len(self.text) and self._take("."):
            self._skip(_SPACE)
            keys.append(self._key())
        return keys

    def _key(self) -> str:
        raw = self._match(_KEY)
        if raw[0] not in "\"'":
            return raw
        try:
            return str(tomllib.loads(f"key = {raw}")["key"])
        except tomllib.TOMLDecodeError:
            raise _LostError from None

    def _line(self) -> int:
        return bisect_right(self._starts, self._at)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self.text, self._at)
        self._at = match.end() if match else self._at
        return self._at

    def _take(self, word: str) -> bool:
        if not self.text.startswith(word, self._at):
            return False
        self._at += len(word)
        return True

    def _expect(self, word: str) -> None:
        self._skip(_SPACE)
        if not self._take(word):
            raise _LostError

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self._at)
        if not match:
            raise _LostError
        self._at = match.end()
        return match[0]
