"""tokens - the tokens of a script as the reference implementation reads them, with the errors that it lists. Pure.

Only `lda.svtest.grammar` needs them; scripts are run from those of `lda.sieve.lex`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from lda.sieve.lex import MAX_NUMBER
from lda.sieve.limits import Limits

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]+)
    | (?P<hash>\#[^\n]*)
    | (?P<comment>/\*)
    | (?P<string>")
    | (?P<multiline>text:)
    | (?P<tag>:[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>[0-9]+[KMG]?)
    | (?P<identifier>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<mark>[][(){};,:/])
    | (?P<unknown>[^][(){};,:/"\#A-Za-z0-9_ \t\r\n]+)""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_QUOTED = re.compile(r'"((?:[^"\\\0\r]|\r\n|\\(?:[^\0\r]|\r\n))*)\\?(.?)', re.DOTALL)
_TEXT_HEAD = re.compile(r"text:[ \t]*(?:#[^\n]*)?\r?(.?)", re.IGNORECASE | re.DOTALL)
_TEXT_END = re.compile(r"^\.\r?\n", re.MULTILINE)
_STRAY = re.compile(r"\0|\r(?!\n)")
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_WORDS = {"unknown": "unknown characters", "multiline": "string"}
END, ERROR = "end of file", ""
"""Kinds of tokens: none is left; a broken one."""


class Lost(Exception):  # caught by grammar.py
    """Nothing more can be read."""


@dataclass(slots=True)
class Lexer:
    """kind: of the token at hand: a mark itself, "" for a broken token, else as errors name it."""

    source: str
    limits: Limits
    errors: list[str]
    position: int = 0
    kind: str = END

    def skip(self) -> None:
        """Go to the next token."""
        while self.position < len(self.source):
            match = _TOKEN.match(self.source, self.position)
            assert match is not None  # every character is in one of the alternatives
            self.position = match.end()
            if match.lastgroup != "blank" and self._token(match, match.lastgroup or ""):
                return
        self.kind = END

    def _token(self, match: re.Match[str], group: str) -> bool:
        """Take it; False: it is a comment."""
        self.kind = match[0] if group == "mark" else _WORDS.get(group, group)
        if group == "comment":
            end = self.source.find("*/", match.end())
            self.position = end + 2 if end >= 0 else len(self.source)
            if "\0" in self.source[match.end() : self.position]:
                self._lost("encountered NUL character in bracket comment")
            if end >= 0:
                return False
            self._broken("end of file before end of bracket comment ('/* ... */')")
        elif group == "string":
            self._quoted(match.start())
        elif group == "multiline":
            self._multiline(match.start())
        elif group == "hash":
            if "\0" in match[0]:
                self._lost("encountered NUL character in hash comment")
            return False
        elif group == "unknown":
            character = match[0][0]
            shown = f"'{character}'" if " " < character <= "~" else f"0x{ord(character):02x}"
            self.errors.append(f"unexpected character(s) starting with {shown}")
        else:
            self._bounded(match[0], group)
        return True

    def _bounded(self, written: str, group: str) -> None:
        if group == "number" and _value(written) > MAX_NUMBER:
            self._broken(f"number exceeds integer limits (max {MAX_NUMBER})")
        elif group in ("identifier", "tag") and len(written.lstrip(":")) > self.limits.identifier_chars:
            what = "identifier" if group == "identifier" else "tag identifier"
            self._broken(f"encountered impossibly long {what} '{written[:29]}...'")

    def _lost(self, text: str) -> NoReturn:
        self.errors.append(text)
        raise Lost

    def _broken(self, text: str) -> None:
        self.errors.append(text)
        self.kind = ERROR

    def _stray(self, position: int, where: str) -> None:
        """A character at *position* that may not be there; reading goes on behind a CR, and at a NUL."""
        nul = self.source[position] == "\0"
        self.position = position + (not nul)
        self._broken(
            f"encountered NUL character in {where}"
            if nul
            else f"found stray carriage-return (CR) character in {where}"
        )

    def _quoted(self, start: int) -> None:
        match = _QUOTED.match(self.source, start)
        assert match is not None
        self.position = match.end()
        if match[2] in ("\0", "\r"):
            self._stray(match.start(2), "quoted string")
        elif match[2] != '"':
            self._broken("end of file before end of quoted string")
        elif len(match[1]) > self.limits.string_bytes:
            self._broken(f"quoted string is too long (more than {self.limits.string_bytes} bytes)")

    def _multiline(self, start: int) -> None:
        head = _TEXT_HEAD.match(self.source, start)
        assert head is not None
        if head[1] != "\n":
            self.position = head.start(1)
            self._broken(f"invalid character '{head[1]}' after 'text:' in multiline string")
            return
        end = _TEXT_END.search(self.source, head.end())
        stray = _STRAY.search(self.source, head.end(), len(self.source) if end is None else end.start())
        if stray is not None:
            self._stray(stray.start(), "multi-line string")
            return
        self.position = len(self.source) if end is None else end.end()
        if end is None:
            self._broken("end of file before end of multi-line string")
        elif end.start() - head.end() > self.limits.string_bytes:
            self._broken(f"multi-line string is too long (more than {self.limits.string_bytes} bytes)")
        else:
            self.kind = "string"


def _value(written: str) -> int:
    unit = _UNITS.get(written[-1].lower(), 0)
    digits = (written[:-1] if unit else written).lstrip("0")
    return int(digits or "0") * (unit or 1) if len(digits) <= 20 else MAX_NUMBER + 1
