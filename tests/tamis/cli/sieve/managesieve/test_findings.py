"""What servers say about a script becomes findings with lines."""

from __future__ import annotations

import pytest

from lda.sieve import Severity
from tamis.cli.sieve.managesieve.findings import MAX_FINDINGS, findings, shown

PIGEONHOLE = """\
main: line 2: error: unknown command 'fileinto' (only reported once at first occurrence).
main: line 3: warning: odd.
main: error: validation failed.
"""
CYRUS = "script errors:\r\nline 2: syntax error, unexpected ','\r\n"
STALWART = 'Invalid argument "x" at line 7, column 3.'


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            PIGEONHOLE,
            [
                (2, "error", "unknown command 'fileinto' (only reported once at first occurrence)"),
                (3, "warning", "odd"),
            ],
        ),
        (CYRUS, [(2, "error", "syntax error, unexpected ','")]),
        (STALWART, [(7, "error", 'Invalid argument "x" at line 7, column 3')]),
        ("Bad script.", [(0, "error", "Bad script")]),
        ("main: error: parse failed.", [(0, "error", "parse failed")]),
        ("", []),
    ],
)
def test_lines_are_found(said: str, expected: list[tuple[int, str, str]]) -> None:
    found = findings(said, "main.sieve", True)
    assert [(f.source.line, f.severity.value, f.text) for f in found] == expected


def test_what_a_good_script_is_told_is_a_warning() -> None:
    assert findings("line 3: odd", "a", False)[0].severity is Severity.WARNING


def test_the_line_of_the_script_is_shown_and_controls_are_not() -> None:
    [finding] = findings("x: line 2: error: no \x1b[2J", "a.sieve", True)
    assert shown(finding, "keep;\n  stop;\x1b\n").splitlines() == [
        "a.sieve:2: error: no \\x1b[2J (says the server)",
        "    stop;\\x1b",
    ]
    assert shown(finding, "") == "a.sieve:2: error: no \\x1b[2J (says the server)"


def test_a_server_that_says_much_is_cut_short() -> None:
    found = findings("line 1: error: x\n" * 100_000 + "y" * 1_000_000, "a", True)
    assert len(found) == MAX_FINDINGS
    assert len(findings("y" * 1_000_000, "a", True)[0].text) <= 1000
