"""`tamis sieve check`, asked as the writer of a script asks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def check(*arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tamis.cli", "sieve", "check", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def test_every_finding_has_its_line_a_caret_and_what_would_mend_it(tmp_path: Path) -> None:
    path = tmp_path / "s.sieve"
    path.write_text('keep;\nfileinto "a";\n\tkeeep;\n')
    done = check(path)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{path}:2:1: error: unknown command 'fileinto'")
    assert lines[1:3] == ['    fileinto "a";', "    ^"]
    assert 'hint: add "fileinto"' in lines[3]
    assert lines[-1] == "1 script: 2 errors, 0 warnings"


def test_warnings_are_no_failure(tmp_path: Path) -> None:
    path = tmp_path / "s.sieve"
    path.write_text('require "imap4flags";\naddflag "\\\\Nonsense";\n')
    done = check(path)
    assert done.returncode == 0
    assert done.stdout.endswith("1 script: 0 errors, 1 warning\n")


def test_json_has_all_findings_of_all_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("nonsense;")
    done = check("--json", tmp_path / "a", tmp_path / "b", tmp_path / "missing")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert [Path(finding["file"]).name for finding in found] == ["a", "b", "missing"]
    assert (found[0]["line"], found[0]["column"], found[0]["severity"]) == (1, 1, "error")


def test_a_script_may_come_from_stdin() -> None:
    assert check("-", stdin="keep;").returncode == 0
    assert check("-", stdin="keep").returncode == 1


def test_included_scripts_are_looked_at_where_they_lie(tmp_path: Path) -> None:
    path = tmp_path / "s.sieve"
    path.write_text('require "include";\ninclude "inner";\n')
    assert check(path).returncode == 0
    assert check("--personal", tmp_path, path).returncode == 1
    (tmp_path / "inner.sieve").write_text("keep;\n")
    assert check("--personal", tmp_path, path).returncode == 0
    (tmp_path / "inner.sieve").write_text("nonsense;\n")
    done = check("--personal", tmp_path, path)
    assert done.returncode == 1
    assert "nonsense" in done.stdout


def test_test_files_are_scripts_too(tmp_path: Path) -> None:
    path = tmp_path / "s.svtest"
    path.write_text('require "vnd.dovecot.testsuite";\ntest "a" { test_fail "b"; }\n')
    assert check(path).returncode == 0
