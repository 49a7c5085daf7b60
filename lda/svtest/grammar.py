"""grammar - the syntax errors of a script, listed as the reference implementation lists them. Pure.

A test file counts errors, and how many there are depends on where reading goes on after one. `lda.sieve.syntax` tells
users what is wrong and shows no error that follows from another one; this file only counts as the reference does:

* a broken string list is skipped to its ``]``, a broken list of tests to its ``)``, whatever else to the ``;`` or to
  the block; skipping a list also ends where something begins or ends that may stand around it;
* what stands behind the last command that could be read is an error only if there was none before it.
"""

from __future__ import annotations

from lda.sieve.limits import Limits
from lda.svtest.tokens import END, ERROR, Lexer, Lost

_AROUND = {"]": "(){};", ")": "{};", "}": ""}
"""What ends the search for the end of a list: it belongs to something around it."""
_OPENS = {"]": "[", ")": "(", "}": "{"}


class _Grammar:
    """Each method reads one construct from the token at hand; False: it is broken and was not skipped."""

    def __init__(self, source: str, limits: Limits) -> None:
        self.errors: list[str] = []
        self._limits = limits
        self._lexer = Lexer(source, limits, self.errors)
        self._valid = True
        self._refused = False
        """A list of tests in this command has none."""

    def script(self) -> None:
        """Fill `errors`."""
        try:
            self._lexer.skip()
            self._commands(1)
        except Lost:
            return
        if self._lexer.kind not in (END, ERROR) and self._valid:
            self._complain(f"unexpected {self._found()} found at (the presumed) end of file")

    def _found(self) -> str:
        kind = self._lexer.kind
        return f"'{kind}'" if len(kind) == 1 else kind

    def _complain(self, text: str) -> None:
        self._valid = False
        if self._lexer.kind != ERROR:  # which has been reported
            self.errors.append(text)

    def _commands(self, level: int) -> None:
        while self._lexer.kind == "identifier":
            self._command(level)

    def _command(self, level: int) -> None:
        """``name arguments ( ";" / "{" commands "}" )``"""
        self._lexer.skip()
        self._refused = False
        if self._arguments(1, is_test=False) and self._lexer.kind not in ";{":
            self._complain(
                f"expected end of command ';' or the beginning of a compound block '{{', but found {self._found()}"
            )
        elif self._lexer.kind == ERROR:
            self._valid = False
        while self._lexer.kind not in (*";{}", END):
            self._lexer.skip()
        if self._lexer.kind == END:
            raise Lost
        if self._lexer.kind == ";":
            self._lexer.skip()
        elif self._lexer.kind == "{":
            self._block(level)

    def _block(self, level: int) -> None:
        self._lexer.skip()
        if level >= self._limits.nested_blocks:
            self._complain(f"cannot nest command blocks deeper than {self._limits.nested_blocks} levels")
            if self._recover("}"):
                self._lexer.skip()
            return
        self._commands(level + 1)
        if self._lexer.kind == "}":
            self._lexer.skip()
            return
        self._complain(f"expected end of compound block '}}', but found {self._found()}")
        if not self._recover("}"):
            raise Lost

    def _recover(self, end: str) -> bool:
        """Go to the *end* of the construct at hand, over others inside of it; False: it has none."""
        self._valid = False
        depth, opens, around = 0, _OPENS[end], _AROUND[end]
        while (kind := self._lexer.kind) != END and (kind == "" or kind not in around):
            if kind == opens:
                depth += 1
            elif kind == end:
                if not depth:
                    return True
                depth -= 1
            self._lexer.skip()
        return False

    def _arguments(self, level: int, *, is_test: bool) -> bool:
        """``*argument [ test / test-list ]``"""
        count = 0
        while self._lexer.kind in ("string", "number", "tag", "["):
            count += 1
            if count > self._limits.arguments:
                self._complain("too many arguments")
                return False
            if self._lexer.kind == "[":
                if not self._list():
                    return False
            else:
                self._lexer.skip()
        if self._lexer.kind == "(":
            return self._tests(level, is_test=is_test)
        return self._test(level) if self._lexer.kind == "identifier" else True

    def _list(self) -> bool:
        """``"[" string *( "," string ) "]"``"""
        before = "'['"
        while True:
            self._lexer.skip()
            if self._lexer.kind != "string":
                self._complain(f"expecting string after {before} in string list, but found {self._found()}")
                self._recover("]")
                break
            self._lexer.skip()
            if self._lexer.kind != ",":
                break
            before = "','"
        return self._end_of("string list", "]")

    def _end_of(self, what: str, end: str) -> bool:
        if self._lexer.kind != end:
            self._complain(f"expecting ',' or end of {what} '{end}', but found {self._found()}")
            if not self._recover(end):
                return False
        self._lexer.skip()
        return True

    def _tests(self, level: int, *, is_test: bool) -> bool:
        """``"(" test *( "," test ) ")"``"""
        before, count = "'('", 0
        while True:
            self._lexer.skip()
            if self._lexer.kind != "identifier":
                self._complain(
                    f"expecting test identifier after {before} in test list, but found {self._found()}"
                )
                self._recover(")")
                break
            count += 1
            if not self._test(level):
                if self._refused:
                    raise Lost
                self._recover(")")
                break
            if self._lexer.kind != ",":
                break
            before = "','"
        good = self._end_of("test list", ")")
        if not count:
            self.errors.append("failed to accept more tests")
            self._refused = True
            if not is_test:
                raise Lost
            return False
        return good

    def _test(self, level: int) -> bool:
        self._lexer.skip()
        if level >= self._limits.nested_tests:
            self._complain(f"cannot nest tests deeper than {self._limits.nested_tests} levels")
            return False
        return self._arguments(level + 1, is_test=True)


def errors(source: bytes, limits: Limits) -> list[str]:
    """The syntax errors of *source*; empty if the reference finds none."""
    if len(source) > limits.script_bytes:
        return [f"sieve script is too large (max {limits.script_bytes} bytes)"]
    grammar = _Grammar(source.decode("latin-1"), limits)
    grammar.script()
    return grammar.errors
