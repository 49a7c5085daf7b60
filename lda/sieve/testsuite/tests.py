"""tests - the tests of test files: compile, run and execute scripts, and look at what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.compile import Build
from lda.sieve.language import Kind, Predicate, Test, flag, string, strings, tagged
from lda.sieve.machine import Failure, Frame
from lda.sieve.match import OCTET, Comparator
from lda.sieve.matching import MatchingTest
from lda.sieve.testsuite import requests
from lda.sieve.text import Text, Texts


def _asking(frame: Frame) -> str:
    return "" if frame.script is None else frame.script.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptCompile(Test):
    """``test_script_compile <path: string>``"""

    path: Text = string("path")

    name: ClassVar[str] = "test_script_compile"
    asks: ClassVar[bool] = True

    def holds(self, frame: Frame) -> bool:
        return frame.ask(requests.Compile(self.path(frame), _asking(frame))) is True


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRun(Test):
    """``test_script_run [:append_result]``"""

    append: bool = flag(":append_result")

    name: ClassVar[str] = "test_script_run"
    asks: ClassVar[bool] = True

    def holds(self, frame: Frame) -> bool:
        answer = frame.ask(requests.Run(self.append))
        if answer is None:
            raise Failure(f"{self.name}: no script has been compiled")
        return answer is True


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiScript(Test):
    """``test_multiscript <paths: string-list>``"""

    paths: Texts = strings("paths")

    name: ClassVar[str] = "test_multiscript"
    asks: ClassVar[bool] = True

    def holds(self, frame: Frame) -> bool:
        paths = tuple(path(frame) for path in self.paths)
        return frame.ask(requests.RunSequence(paths, _asking(frame))) is True


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultExecute(Test):
    """``test_result_execute``"""

    name: ClassVar[str] = "test_result_execute"
    asks: ClassVar[bool] = True

    def holds(self, frame: Frame) -> bool:
        return frame.ask(requests.Execute()) is True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing(MatchingTest):
    """``[COMPARATOR] [MATCH-TYPE] [:index number] <keys: string-list>`` over a list of texts, counted from 1."""

    index: int | None = tagged(":index", Kind.NUMBER)
    keys: Texts = strings("key list")

    default_comparator: ClassVar[Comparator] = OCTET

    def texts(self, frame: Frame) -> Sequence[str]:
        """What is looked at."""
        raise NotImplementedError

    def predicate(self, build: Build) -> Predicate:
        match = self.matcher(build, self.keys)

        def holds(frame: Frame) -> bool:
            texts = self.texts(frame)
            if self.index is not None:
                texts = texts[self.index - 1 : self.index] if self.index else ()
            return match(frame, texts)

        return holds


class ResultAction(_Listing):
    """``test_result_action``: the names of the actions."""

    name = "test_result_action"

    def texts(self, frame: Frame) -> Sequence[str]:
        return [action.name for action in frame.result.everything]


class ErrorTest(_Listing):
    """``test_error``: the texts of the errors."""

    name = "test_error"
    asks = True

    def texts(self, frame: Frame) -> Sequence[str]:
        answer = frame.ask(requests.Errors())
        return answer if isinstance(answer, tuple) else ()


TESTS = (ScriptCompile, ScriptRun, MultiScript, ResultExecute, ResultAction, ErrorTest)
