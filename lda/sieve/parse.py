"""parse - a script to its syntax tree, over sievelib's grammar. The only file that knows sievelib (1.6).

sievelib drives a push-down parser from a lexer and from command objects. Here it gets our tokens, which carry
their place, and one generic command object, which takes any argument: what a command means is the validator's
business, so that every extension parses. Three seams, each pinned by a test, since two are private names:

* `_Parser__command` is called for every token: there a command learns from the token that ends it whether it has
  a block, and a test from its parenthesis that it has a list.
* `get_command_instance` is replaced in a private copy of the module; other users of sievelib see no change.
* `_Parser__expected` says what the grammar was waiting for.

syntax.py goes on after an error.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import sievelib.commands
import sievelib.parser

from lda.sieve import ast
from lda.sieve.lex import Fault, Lines, Token, tokens
from lda.sieve.limits import Limits
from lda.sieve.tree import commands


def _private_copy(name: str) -> ModuleType:
    """A second instance of a module, whose globals are ours alone."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Word(str):  # noqa: SLOT000  # it carries attributes
    """What sievelib gets when it decodes a token: the text, and the way back."""

    token: Token
    reader: Reader


class _Piece(Token):
    """A token as sievelib sees it: decoding it yields the value, whatever octets it holds."""

    reader: Reader

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> _Word:
        word = _Word(self.value)
        word.token, word.reader = self, self.reader
        return word


class _Lexer:
    """Stands in for sievelib's Lexer: `pos` is read and moved back by the parser."""

    def __init__(self, reader: Reader, limits: Limits) -> None:
        self._reader = reader
        self._limits = limits
        self.pos = 0

    def scan(self, text: bytes) -> Iterator[tuple[str, Token]]:
        for token in tokens(text, self._limits):
            piece = _Piece(token)
            piece.__dict__.update(token.__dict__, reader=self._reader)
            again = True
            while again:
                self.pos = token.offset
                self._reader.token = piece
                yield token.kind, piece
                again = self.pos < token.offset  # the parser wants this token read once more
        self.pos = len(text)

    def curlineno(self) -> int:
        return 0

    def curcolno(self) -> int:
        return 0


_grammar = _private_copy("sievelib.parser")


class _Statement(sievelib.commands.Command):  # type: ignore[misc]  # sievelib carries no types
    """One command or test, whatever its name: it accepts every argument and remembers its place."""

    args_definition: list[Any] = []

    def __init__(self, word: _Word, parent: _Statement | None, is_test: bool) -> None:
        super().__init__(parent)
        self.name = str(word)
        self.offset = word.token.offset
        self.reader = word.reader
        self.blocks: int = 0 if parent is None else parent.blocks + (not is_test)
        self.depth: int = parent.depth + 1 if is_test and parent is not None else 0
        self.given: list[tuple[str, Any, int]] = []
        """Kind, value and offset of each argument."""
        self.tests: list[_Statement] = []
        self.listed = self.has_block = self.closed = False
        self.is_test = is_test
        self.accept_children = not is_test
        self._type = "test" if is_test else "control"

    non_deterministic_args = True  # shadowed by an instance attribute where a block or a list begins

    def begin_list(self) -> None:
        """A parenthesis has been read: sub-tests follow."""
        self.listed = self.variable_args_nb = True
        self.non_deterministic_args = False

    def begin_block(self) -> None:
        """A brace has been read: commands follow."""
        self.non_deterministic_args, self.has_block = False, True

    def end(self) -> None:
        """A semicolon has been read: there is no block."""
        self._type, self.accept_children = "action", False

    def check_next_arg(self, atype: str, avalue: Any, add: bool = True, check_extension: bool = True) -> bool:
        if atype == "test":
            if add:
                self.tests.append(avalue)
            return True
        if self.tests:
            return False
        if len(self.given) >= self.reader.limits.arguments:
            raise Fault(self.offset, f"too many arguments (more than {self.reader.limits.arguments})")
        offset = self.reader.list_offset if atype == "stringlist" else avalue.token.offset
        self.given.append((atype, avalue, offset))
        return True

    def iscomplete(self, atype: str | None = None, avalue: str | None = None) -> bool:
        return not self.listed and (self.closed or bool(self.tests))

    def reassign_arguments(self) -> None:
        self.closed = True


def _instance(word: _Word, parent: _Statement | None = None, checkexists: bool = True) -> _Statement:
    """The factory that sievelib calls for each identifier."""
    return word.reader.statement_for(word, parent)


_grammar.get_command_instance = _instance  # type: ignore[attr-defined]


class Reader(_grammar.Parser):  # type: ignore[name-defined,misc]
    """One attempt to parse: sievelib's parser with our tokens, our statements and our errors."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits = limits
        self.lexer = _Lexer(self, limits)
        self.token: Token | None = None
        self.list_offset = 0

    def read(self, source: bytes) -> Fault | None:
        """Parse; None if it went well."""
        try:
            good = self.parse(source)
        except Fault as fault:
            return fault
        except Exception:  # sievelib fails on rare token strings; the place is known all the same
            good = False
        if not good:
            return self._complaint(len(source))
        if self._Parser__curcommand is not None:
            return Fault(
                len(source), f"the end of the file is inside the {self._Parser__curcommand.name} command"
            )
        return None

    @property
    def statement(self) -> int | None:
        """Where the unfinished command begins; None between commands."""
        node: _Statement | None = self._Parser__curcommand
        while node is not None and node.is_test:
            node = node.parent
        return None if node is None or node.has_block else node.offset

    @property
    def open_blocks(self) -> int:
        """How many blocks are open."""
        return len(self._Parser__expected_brackets)

    def statement_for(self, word: _Word, parent: _Statement | None) -> _Statement:
        """A new statement; where the grammar stands decides whether it is a command or a test."""
        statement = _Statement(word, parent, self._Parser__cstate is not None)
        if statement.blocks >= self.limits.nested_blocks:
            raise Fault(
                statement.offset, f"blocks are nested too deeply (more than {self.limits.nested_blocks})"
            )
        if statement.depth >= self.limits.nested_tests:
            raise Fault(
                statement.offset, f"tests are nested too deeply (more than {self.limits.nested_tests})"
            )
        return statement

    def _Parser__command(self, ttype: str, tvalue: Token) -> bool:  # noqa: N802
        node: _Statement | None = self._Parser__curcommand
        if node is not None and self._Parser__cstate is not None:
            if ttype == "left_bracket":
                self.list_offset = tvalue.offset
            elif ttype == "left_parenthesis":
                if not node.is_test:
                    raise Fault(tvalue.offset, "a list of tests needs a test before it", "anyof or allof?")
                node.begin_list()
            elif ttype == "left_cbracket" and not node.is_test:
                node.begin_block()
            elif ttype == "semicolon" and not node.is_test:
                node.end()
        good: bool = super()._Parser__command(ttype, tvalue)
        if ttype == "semicolon":
            self._Parser__expected: Any = None
        return good

    def _complaint(self, end: int) -> Fault:
        """What the grammar waited for, in our words."""
        token, node = self.token, self._Parser__curcommand
        if token is None or self.lexer.pos >= end:
            where, found = end, "the end of the file"
        else:
            where, found = token.offset, _WORDS.get(token.kind, f"'{token.decode()}'")
        wanted = self._Parser__expected
        if wanted:
            return Fault(where, f"expected {' or '.join(_WORDS[kind] for kind in wanted)}, but found {found}")
        if self._Parser__cstate is None:
            return Fault(
                where, f"expected a command{' or the end of the block' if node else ''}, but found {found}"
            )
        return Fault(
            where, f"expected the end of the command ';' or the beginning of a block '{{', but found {found}"
        )

    def tree(self, lines: Lines) -> tuple[ast.Command, ...]:
        """The commands that were read."""
        return commands(self.result, lines)


_WORDS = {
    "left_bracket": "a list '['",
    "right_bracket": "the end of the list ']'",
    "left_parenthesis": "'('",
    "right_parenthesis": "the end of the test list ')'",
    "left_cbracket": "the beginning of a block '{'",
    "right_cbracket": "the end of the block '}'",
    "semicolon": "';'",
    "comma": "','",
    "string": "a string",
    "number": "a number",
    "identifier": "a test",
}
