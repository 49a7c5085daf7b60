"""logic - allof, anyof, not, true, false (RFC 5228 section 5): left to right, no more tests than needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lda.sieve.compile import Build
from lda.sieve.language import Predicate, Test, subtest, subtests
from lda.sieve.machine import Frame
from lda.sieve.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf(Test):
    """``allof (<test>, ...)``"""

    tests: tuple[Test, ...] = subtests(stop=False)

    name: ClassVar[str] = "allof"

    def predicate(self, build: Build) -> Predicate:
        predicates = [build.predicate(test) for test in self.tests]

        def holds(frame: Frame) -> bool:
            for predicate in predicates:  # noqa: SIM110  # all() with a generator takes twice as long
                if not predicate(frame):
                    return False
            return True

        return holds

    def constant(self, scope: Scope) -> bool | None:
        results = [test.constant(scope) for test in self.tests]
        return False if False in results else None if None in results else True


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf(Test):
    """``anyof (<test>, ...)``"""

    tests: tuple[Test, ...] = subtests(stop=True)

    name: ClassVar[str] = "anyof"

    def predicate(self, build: Build) -> Predicate:
        predicates = [build.predicate(test) for test in self.tests]

        def holds(frame: Frame) -> bool:
            for predicate in predicates:  # noqa: SIM110  # any() with a generator takes twice as long
                if predicate(frame):
                    return True
            return False

        return holds

    def constant(self, scope: Scope) -> bool | None:
        results = [test.constant(scope) for test in self.tests]
        return True if True in results else None if None in results else False


@dataclass(frozen=True, slots=True, kw_only=True)
class Not(Test):
    """``not <test>``"""

    test: Test = subtest()

    name: ClassVar[str] = "not"

    def predicate(self, build: Build) -> Predicate:
        predicate = build.predicate(self.test)
        return lambda frame: not predicate(frame)

    def constant(self, scope: Scope) -> bool | None:
        result = self.test.constant(scope)
        return None if result is None else not result


@dataclass(frozen=True, slots=True, kw_only=True)
class True_(Test):  # noqa: N801  # its word is taken
    """``true``"""

    name: ClassVar[str] = "true"

    def holds(self, frame: Frame) -> bool:
        return True

    def constant(self, scope: Scope) -> bool | None:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class False_(Test):  # noqa: N801  # its word is taken
    """``false``"""

    name: ClassVar[str] = "false"

    def holds(self, frame: Frame) -> bool:
        return False

    def constant(self, scope: Scope) -> bool | None:
        return False
