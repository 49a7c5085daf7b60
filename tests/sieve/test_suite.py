"""The conformance tests in this folder, each derived from the text of an RFC, run as users run theirs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.svtest"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_engine_does_what_the_rfc_says(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tamis.cli", "sieve", "test", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "PASS:" in done.stdout


def test_a_file_with_a_test_that_fails_is_no_success(tmp_path: Path) -> None:
    path = tmp_path / "bad.svtest"
    path.write_text(
        'require "vnd.dovecot.testsuite";\ntest "holds" { if false { } }\ntest "fails" { test_fail "so"; }\n'
    )
    command = [sys.executable, "-m", "tamis.cli", "sieve", "test", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "1 of 2 tests failed" in done.stdout


def test_check_tells_line_and_column_and_ends_with_1(tmp_path: Path) -> None:
    path = tmp_path / "bad.sieve"
    path.write_text('fileinto "a";\nkeeep;\n')
    command = [sys.executable, "-m", "tamis.cli", "sieve", "check", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{path}:1:1: error:" in done.stdout + done.stderr
    assert f"{path}:2:1: error:" in done.stdout + done.stderr
