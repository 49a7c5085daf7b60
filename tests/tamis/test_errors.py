from __future__ import annotations

import pytest

from tamis.errors import ConfigError, PermFail, Problem, ProtocolError, SieveError, TamisError, TempFail


def test_a_failure_says_status_and_sentence() -> None:
    exc = TempFail("4.3.0", "Store down")
    assert (str(exc), exc.status, exc.text) == ("4.3.0 Store down", "4.3.0", "Store down")


@pytest.mark.parametrize("kind", [TempFail, PermFail, ProtocolError, SieveError, ConfigError])
def test_all_failures_on_purpose_have_one_root(kind: type[Exception]) -> None:
    assert issubclass(kind, TamisError)


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("tamis.toml", 12, "store.url", "is odd"), "tamis.toml:12: store.url: is odd"),
        (Problem("tamis.toml", 0, "store.url", "is odd"), "tamis.toml: store.url: is odd"),
        (Problem("tamis.toml", 0, "", "is missing"), "tamis.toml: is missing"),
    ],
)
def test_a_problem_reads_like_a_compilers(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_a_configuration_error_carries_every_problem() -> None:
    problems = [Problem("a", 1, "x", "one"), Problem("a", 2, "y", "two")]
    exc = ConfigError(problems)
    assert exc.problems == tuple(problems)
    assert str(exc) == "a:1: x: one\na:2: y: two"
