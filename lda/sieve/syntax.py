"""syntax - a script to its syntax tree and all its syntax errors, each once.

After an error the broken command becomes blanks of the same length (line ends stay), so every place in the rest is
unchanged, and the script is read again. A block that follows the error is kept: ``if <broken> { ... }`` becomes
``if true { ... }``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lda.sieve import ast
from lda.sieve.diagnostics import Diagnostic, Phase
from lda.sieve.lex import Fault, Lines, tokens
from lda.sieve.limits import Limits
from lda.sieve.parse import Reader

_INK = re.compile(rb"[^\r\n]")
_CONDITIONAL = re.compile(rb"(?:els)?if\b", re.IGNORECASE)
_OPEN = {"left_cbracket", "left_bracket", "left_parenthesis"}
_CLOSED = {"right_cbracket", "right_bracket", "right_parenthesis"}


MAX_BYTES_READ = 4 << 20
"""A large script is not worth many attempts: each one reads it from the start."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """commands: what could be read; the whole script if there are no diagnostics."""

    commands: tuple[ast.Command, ...]
    diagnostics: tuple[Diagnostic, ...]


def parse(source: bytes, name: str, limits: Limits) -> Parsed:
    """The syntax tree of *source* and every syntax error in it. Raises nothing."""
    lines = Lines(source, name)
    if len(source) > limits.script_bytes:
        fault = Fault(0, f"script is too large (more than {limits.script_bytes} bytes)")
        return Parsed((), (_diagnostic(lines, fault),))
    found: list[Diagnostic] = []
    nul = source.find(b"\0")
    if nul >= 0:
        found.append(_diagnostic(lines, Fault(nul, "NUL is not allowed in a script")))
        source = source.replace(b"\0", b" ")
    for _ in range(max(2, min(limits.errors, MAX_BYTES_READ // (len(source) + 1)))):
        reader = Reader(limits)
        broken = reader.read(source)
        if broken is None:
            return Parsed(reader.tree(lines), tuple(found))
        found.append(_diagnostic(lines, broken))
        source = _repaired(source, reader, broken.offset, limits)
    return Parsed((), tuple(found))


def _diagnostic(lines: Lines, fault: Fault) -> Diagnostic:
    where = lines.at(fault.offset)
    line = lines.text(where.line)
    return Diagnostic(source=where, text=fault.text, hint=fault.hint, phase=Phase.SYNTAX, source_line=line)


def _repaired(source: bytes, reader: Reader, fault: int, limits: Limits) -> bytes:
    """*source* without the command that breaks at *fault*, or with the blocks closed that are open at its end."""
    statement = reader.statement
    if fault >= len(source) and statement is None:
        return source + b"}" * reader.open_blocks
    start = fault if statement is None else statement
    end, block = _extent(source, fault, limits, in_block=reader.open_blocks > 0)
    if block is not None and statement is not None:
        return _without_arguments(source, statement, block)
    return _blank(source, start, max(end, start + 1))


def _blank(source: bytes, start: int, end: int) -> bytes:
    return source[:start] + _INK.sub(b" ", source[start:end]) + source[end:]


def _without_arguments(source: bytes, statement: int, block: int) -> bytes:
    """Keep the command's name and its block; a conditional gets the test ``true`` if there is room for it."""
    word = _CONDITIONAL.match(source, statement)
    if word is None:
        return _blank(source, statement, block + 1)
    kept = _blank(source, word.end(), block)
    room = re.compile(rb" {6,}").search(kept, word.end(), block)
    if room is None:
        return _blank(source, statement, block + 1)
    return kept[: room.start()] + b" true " + kept[room.start() + 6 :]


def _extent(source: bytes, fault: int, limits: Limits, *, in_block: bool) -> tuple[int, int | None]:
    """Where the broken command ends, and where its block begins, if one follows. in_block: a brace that closes
    belongs to the block around it.

    Tokens are counted from the fault on: what was open before it is closed by whatever comes."""
    depth, position = 0, fault
    try:
        for token in tokens(source, limits, fault):
            if token.kind in _OPEN:
                if token.kind == "left_cbracket" and depth == 0 and token.offset > fault:
                    return token.end, token.offset
                depth += 1
            elif token.kind in _CLOSED:
                if depth == 0 and token.kind == "right_cbracket":
                    return (token.offset if in_block else token.end), None
                depth = max(0, depth - 1)
                if depth == 0 and token.kind == "right_cbracket":
                    return token.end, None
            elif token.kind == "semicolon" and depth == 0:
                return token.end, None
            position = token.end
    except Fault as another:
        # Two errors in a row: cut what lies between, the next attempt meets the second one by itself.
        return (another.offset if another.offset > fault else _next_line(source, position)), None
    return len(source), None


def _next_line(source: bytes, position: int) -> int:
    newline = source.find(b"\n", position)
    return len(source) if newline < 0 else newline + 1
