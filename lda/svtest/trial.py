"""trial - one run of a test file: each of its tests with its end, and whatever went wrong outside of them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Case:
    """One test. failed: None while it runs, and for good if the file ended in it; reason: why it failed."""

    index: int
    name: str
    failed: bool | None = None
    reason: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        if not self.failed:
            return f"{self.index:2}: Test '{self.name}' SUCCEEDED"
        return f"{self.index:2}: Test '{self.name}' FAILED" + (f": {self.reason}" if self.reason else "")


@dataclass(slots=True)
class Trial:
    """One file. failure: what went wrong outside of its tests; crashed: the engine itself broke.

    expect_failure: it is good if every test in it fails. log: what the engine said meanwhile."""

    path: Path
    expect_failure: bool = False
    cases: list[Case] = field(default_factory=list)
    failure: str = ""
    crashed: bool = False
    log: list[str] = field(default_factory=list)
    seconds: float = 0.0
    _began: float = 0.0

    def begin(self, name: str) -> None:
        """A test begins."""
        self.cases.append(Case(len(self.cases) + 1, name))
        self._began = time.monotonic()

    def succeed(self) -> None:
        """The running test has come to its end."""
        self._end(failed=False, reason="")

    def fail(self, reason: str) -> bool:
        """The running test has failed. False: no test is running, so the whole file has."""
        if self.cases and self.cases[-1].failed is None:
            self._end(failed=True, reason=reason)
            return True
        self.failure = reason or "test_fail outside of a test"
        return False

    def _end(self, *, failed: bool, reason: str) -> None:
        case = self.cases[-1]
        case.failed, case.reason, case.seconds = failed, reason, time.monotonic() - self._began

    @property
    def failures(self) -> int:
        """How many failures count: those of tests, and that of the file."""
        return sum(case.failed is True for case in self.cases) + bool(self.failure)

    @property
    def good(self) -> bool:
        """It went as it should."""
        if not self.expect_failure:
            return not self.failures
        return not self.crashed and self.failures > 0 and all(case.failed for case in self.cases)

    @property
    def summary(self) -> str:
        """The last line of its report."""
        total, failures = len(self.cases), self.failures
        if self.expect_failure:
            if self.good:
                return f"PASS: {failures} tests failed, as expected."
            return f"FAIL: {failures} of {total} tests failed, but all should."
        return f"FAIL: {failures} of {total} tests failed." if failures else f"PASS: {total} tests succeeded."
