"""tree - what the grammar has read, as syntax nodes. It takes any object with the attributes of `Statement`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from lda.sieve import ast
from lda.sieve.lex import Lines


class Statement(Protocol):
    """One command or test as read. given: kind, value and offset of each argument."""

    name: str
    offset: int
    given: list[tuple[str, Any, int]]
    tests: Sequence[Statement]
    children: Sequence[Statement]
    listed: bool
    has_block: bool
    hash_comments: Sequence[bytes]


def commands(statements: Sequence[Statement], lines: Lines) -> tuple[ast.Command, ...]:
    """The nodes of *statements*."""
    return tuple(_command(statement, lines) for statement in statements)


def _command(statement: Statement, lines: Lines) -> ast.Command:
    line, column = lines.place(statement.offset)
    return ast.Command(
        line=line,
        column=column,
        name=statement.name,
        arguments=_arguments(statement, lines),
        tests=_tests(statement, lines),
        listed=statement.listed,
        block=commands(statement.children, lines) if statement.has_block else None,
        comments=tuple(comment.decode("utf-8", "replace") for comment in statement.hash_comments),
    )


def _tests(statement: Statement, lines: Lines) -> tuple[ast.Test, ...]:
    return tuple(_test(test, lines) for test in statement.tests)


def _test(statement: Statement, lines: Lines) -> ast.Test:
    line, column = lines.place(statement.offset)
    return ast.Test(
        line=line,
        column=column,
        name=statement.name,
        arguments=_arguments(statement, lines),
        tests=_tests(statement, lines),
        listed=statement.listed,
    )


def _arguments(statement: Statement, lines: Lines) -> tuple[ast.Argument, ...]:
    return tuple(
        _argument(kind, value, lines.place(offset), lines) for kind, value, offset in statement.given
    )


def _argument(kind: str, value: Any, place: tuple[int, int], lines: Lines) -> ast.Argument:
    line, column = place
    if kind == "stringlist":
        return ast.StringList(line=line, column=column, items=tuple(_string(word, lines) for word in value))
    if kind == "number":
        return ast.Number(line=line, column=column, value=int(value))
    if kind == "tag":
        return ast.Tag(line=line, column=column, name=str(value))
    return _string(value, lines)


def _string(word: Any, lines: Lines) -> ast.String:
    line, column = lines.place(word.token.offset)
    return ast.String(line=line, column=column, value=str(word))
