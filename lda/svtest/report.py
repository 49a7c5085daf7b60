"""report - what came of test files, for people, for TAP (version 14), for JUnit, as JSON. Pure text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from lda.sieve.diagnostics import printable
from lda.svtest.trial import Case, Trial

MAX_LOG_LINES = 40
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(trial: Trial, *, verbose: bool = False) -> str:
    """The report of one file. verbose: with everything the engine said, else only if the file itself failed."""
    lines = [f"Test case: {printable(str(trial.path))}:", ""]
    lines += [printable(str(case)) for case in trial.cases if case.failed is not None]
    if trial.failure:
        lines.append(f"XX: Test CASE FAILED: {printable(trial.failure)}")
    if verbose or (trial.failure and not trial.good):
        lines += [f"LOG: {printable(line)}" for line in trial.log[-MAX_LOG_LINES:]]
    return "\n".join([*lines, "", trial.summary, ""])


def total(trials: Sequence[Trial]) -> str:
    """One line about all files."""
    good, tests = sum(trial.good for trial in trials), sum(len(trial.cases) for trial in trials)
    seconds = sum(trial.seconds for trial in trials)
    return f"{good} of {len(trials)} files are good; they have {tests} tests; {seconds:.1f} s."


def _title(trial: Trial, case: Case | None) -> str:
    name = f"{trial.path}: {case.name if case else 'the file itself'}"
    return re.sub(r"([#\\])", r"\\\1", printable(name))


def tap(trials: Sequence[Trial]) -> str:
    """TAP 14. A test of a file whose tests have to fail is ok if it fails."""
    lines = ["TAP version 14"]
    for trial in trials:
        for good, case, why in _points(trial):
            lines.append(f"{'ok' if good else 'not ok'} {len(lines)} - {_title(trial, case)}")
            if not good:
                lines[-1] += f"\n  ---\n  message: {json.dumps(printable(why))}\n  ..."
    return "\n".join([*lines, f"1..{len(lines) - 1}", ""])


def _points(trial: Trial) -> Iterator[tuple[bool, Case | None, str]]:
    """Each test, and the file where it has a failure of its own or no test: good, the test, why not."""
    for case in trial.cases:
        if trial.expect_failure:
            yield case.failed is True, case, "the test should fail"
        else:
            yield not case.failed, case, case.reason or "failed"
    if trial.failure or not trial.cases:
        good = trial.good if trial.expect_failure else not trial.failure
        yield good, None, trial.failure or "no test failed"


def junit(trials: Sequence[Trial]) -> str:
    """JUnit XML, one suite a file."""
    suites = [_suite(trial) for trial in trials]
    return '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n' + "".join(suites) + "</testsuites>\n"


def _suite(trial: Trial) -> str:
    points = list(_points(trial))
    failures = sum(not good for good, _, _ in points)
    name = quoteattr(_xml(str(trial.path)))
    head = f'<testsuite name={name} tests="{len(points)}" failures="{failures}" time="{trial.seconds:.3f}">\n'
    return head + "".join(_testcase(trial, *point) for point in points) + "</testsuite>\n"


def _testcase(trial: Trial, good: bool, case: Case | None, why: str) -> str:
    name = quoteattr(_xml(case.name if case else "the file itself"))
    seconds = case.seconds if case else trial.seconds
    head = f'<testcase classname={quoteattr(_xml(trial.path.stem))} name={name} time="{seconds:.3f}"'
    if good:
        return f"{head}/>\n"
    log = escape(_xml("\n".join(trial.log[-MAX_LOG_LINES:])))
    return f"{head}><failure message={quoteattr(_xml(why))}>{log}</failure></testcase>\n"


def _xml(value: str) -> str:
    return _NOT_XML.sub("?", value)


def as_json(trials: Sequence[Trial]) -> str:
    """A list of files, each with its tests."""
    files = [
        {
            "path": str(trial.path),
            "good": trial.good,
            "expect_failure": trial.expect_failure,
            "failure": trial.failure,
            "crashed": trial.crashed,
            "seconds": round(trial.seconds, 3),
            "tests": [
                {"name": c.name, "failed": c.failed, "reason": c.reason, "seconds": round(c.seconds, 4)}
                for c in trial.cases
            ],
        }
        for trial in trials
    ]
    return json.dumps(files)
