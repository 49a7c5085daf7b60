"""The runner of test files, asked about files whose outcome is known."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lda.svtest import files, report
from lda.svtest.coverage import Coverage
from lda.svtest.runner import run_file
from lda.svtest.trial import Trial

Play = Callable[..., Trial]
ALL = 'require ["vnd.dovecot.testsuite", "fileinto", "variables", "relational", "comparator-i;ascii-numeric"];\n'


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Run a test file; scripts beside it are given by name."""

    def run(text: str, *, require: str = ALL, expect_failure: bool = False, **scripts: str) -> Trial:
        for name, source in scripts.items():
            (tmp_path / f"{name}.sieve").write_text(source)
        path = tmp_path / "case.svtest"
        path.write_text(require + text)
        return run_file(path, expect_failure=expect_failure)

    return run


def outcomes(trial: Trial) -> list[tuple[bool | None, str]]:
    return [(case.failed, case.reason) for case in trial.cases]


def test_the_report_is_as_the_format_says(play: Play) -> None:
    trial = play('test "one" { }\ntest "two" { test_fail "because"; }\ntest "three" { test_fail ""; }')
    assert report.text(trial) == (
        f"Test case: {trial.path}:\n\n"
        " 1: Test 'one' SUCCEEDED\n"
        " 2: Test 'two' FAILED: because\n"
        " 3: Test 'three' FAILED\n"
        "\nFAIL: 2 of 3 tests failed.\n"
    )


def test_a_good_file_is_told_so(play: Play) -> None:
    trial = play('test "one" { }')
    assert trial.good
    assert report.text(trial).endswith("\nPASS: 1 tests succeeded.\n")


def test_a_failure_leaves_the_rest_of_its_test_and_nothing_else(play: Play) -> None:
    trial = play(
        'set "n" "0";\ntest "a" { if true { set "n" "1"; test_fail "x"; } set "n" "2"; }\n'
        'test "b" { if not string "${n}" "1" { test_fail "n is ${n}"; } }'
    )
    assert outcomes(trial) == [(True, "x"), (False, "")]


def test_a_failure_leaves_a_loop_over_parts(play: Play) -> None:
    """Otherwise later tests would look at a part."""
    trial = play(
        'test_set "message" "X: top\nContent-Type: multipart/mixed; boundary=b\n\n--b\nX: part\n\ntext\n--b--\n";'
        'test "a" { foreverypart { if header :mime "x" "part" { test_fail "x"; } } }\n'
        'test "b" { if not header :mime "x" "top" { test_fail "still there"; } }',
        require='require ["vnd.dovecot.testsuite", "foreverypart", "mime"];',
    )
    assert outcomes(trial) == [(True, "x"), (False, "")]


def test_a_failure_in_an_included_script_is_one_of_the_test(play: Play, tmp_path: Path) -> None:
    (tmp_path / "included").mkdir()
    (tmp_path / "included" / "inner.sieve").write_text(
        'require "vnd.dovecot.testsuite";\ntest_fail "inside";\n'
    )
    trial = play(
        'test "a" { include "inner"; test_fail "never"; }\ntest "b" { }',
        require='require ["vnd.dovecot.testsuite", "include"];',
    )
    assert outcomes(trial) == [(True, "inside"), (False, "")]


def test_a_failure_outside_of_a_test_ends_the_file(play: Play) -> None:
    trial = play('test "a" { }\ntest_fail "outside";\ntest "b" { }')
    assert outcomes(trial) == [(False, "")]
    assert trial.failure == "outside"
    assert "XX: Test CASE FAILED: outside\n" in report.text(trial)
    assert trial.summary == "FAIL: 1 of 1 tests failed."


def test_a_file_that_does_not_compile_has_failed_and_says_where(play: Play) -> None:
    trial = play('test "a" { nonsense; }')
    assert not trial.good
    assert "XX: Test CASE FAILED:" in report.text(trial)
    assert f"{trial.path}:2:12: error: unknown command 'nonsense'" in report.text(trial)


@pytest.mark.parametrize(
    "text",
    [
        'test "a" { test "b" { } }',
        'if true { test "b" { } }',
        'test_set "nonsense" "x";',
        'test_set "${tst.path}" "x";',
        'set "tst.path" "x";',
        'set "tst.1" "x";',
        'set "tst.a.b" "x";',
        "test_message 0;",
        'test_message :smtp :folder "INBOX" 0;',
        "test_message :smtp;",
        "if test_message 0 { }",
    ],
)
def test_what_the_format_forbids_does_not_compile(play: Play, text: str) -> None:
    assert play(text).failure == "the file does not compile"


def test_a_run_time_error_ends_the_file(play: Play) -> None:
    trial = play('test "a" { test_config_reload :extension "nonsense"; }\ntest "b" { }')
    assert outcomes(trial) == [(None, "")]
    assert "nonsense" in trial.failure
    assert not trial.good


@pytest.mark.parametrize(
    "text",
    ["if test_script_run { }", 'test_binary_load "x";', 'test_binary_save "x";', 'test_mailbox_delete "x";'],
)
def test_what_cannot_be_done_is_a_run_time_error(play: Play, text: str) -> None:
    trial = play(text)
    assert trial.failure
    assert not trial.crashed


def test_stop_ends_the_file_and_its_test_has_no_end(play: Play) -> None:
    trial = play('test "a" { }\ntest "b" { stop; }\ntest "c" { test_fail "never"; }')
    assert outcomes(trial) == [(False, ""), (None, "")]
    assert trial.good
    assert trial.summary == "PASS: 2 tests succeeded."


def test_a_missing_message_fails_the_test_or_is_false(play: Play) -> None:
    trial = play(
        'test "a" { if test_message :smtp 0 { stop; } test_message :folder "INBOX" 0; }\ntest "b" { }'
    )
    assert [failed for failed, _ in outcomes(trial)] == [True, False]


def test_the_directory_of_the_file_is_a_variable(play: Play) -> None:
    trial = play('test "a" { test_fail "${tst.path}|${tst.other}"; }')
    assert outcomes(trial) == [(True, f"{trial.path.parent}|")]


def test_an_inner_script_fails_by_itself_only(play: Play) -> None:
    trial = play(
        'test "a" { if not test_script_compile "inner.sieve" { test_fail "compile"; }\n'
        'if test_script_run { test_fail "true"; } }\n'
        'test "b" { if not test_script_compile "good.sieve" { test_fail "compile"; }\n'
        'if not test_script_run { test_fail "false"; } }',
        inner='require "vnd.dovecot.testsuite";\ntest_fail "inside"; keep;\n',
        good='require "vnd.dovecot.testsuite";\nkeep;\n',
    )
    assert outcomes(trial) == [(False, ""), (False, "")]


COUNTED = [
    ("keep", 2, "one syntax error, and that parsing failed"),
    ('keep 1 2; discard "x"', 2, "no validation after a syntax error"),
    ("nonsense; nonsense; other;", 3, "each unknown name once"),
    (
        'if header :nonsense "a" "b" { keep :foo; } if header :nonsense "c" "d" { }',
        3,
        "each unknown tag once",
    ),
    ('require ["one", "two"];', 3, "each unknown capability"),
    ("redirect 1 2 3;", 2, "one error of the arguments of a command"),
    ("if header 1 2 { nonsense; }", 3, "the block of a broken command is validated"),
    ("if false { nonsense; }", 0, "what is never run is not looked at"),
]


@pytest.mark.parametrize(("script", "count", "why"), COUNTED, ids=[why for _, _, why in COUNTED])
def test_errors_are_counted_as_the_reference_counts_them(
    play: Play, script: str, count: int, why: str
) -> None:
    trial = play(
        'test "a" { if test_script_compile "inner.sieve" { }\n'
        f'if not test_error :count "eq" "{count}" {{ test_fail "count"; }} }}',
        inner=script,
    )
    assert trial.good, (why, trial.log)


def test_errors_are_those_of_the_last_thing_that_was_done(play: Play) -> None:
    trial = play(
        'test "a" { if test_script_compile "bad.sieve" { test_fail "bad"; }\n'
        'if not test_script_compile "good.sieve" { test_fail "good"; }\n'
        'if test_error :contains "" { test_fail "not cleared"; } }',
        bad="nonsense;",
        good="keep;",
    )
    assert trial.good


def test_a_failed_compilation_leaves_the_script_that_was_there(play: Play) -> None:
    trial = play(
        'test "a" { if not test_script_compile "good.sieve" { test_fail "good"; }\n'
        'if test_script_compile "bad.sieve" { test_fail "bad"; }\n'
        'if not test_script_run { test_fail "run"; }\n'
        'if not test_result_action "discard" { test_fail "another script"; } }',
        bad="nonsense;",
        good="discard;",
    )
    assert trial.good, trial.cases


def test_results_are_appended_to_or_begun_anew(play: Play) -> None:
    trial = play(
        'test "a" { keep; if not test_script_compile "s.sieve" { test_fail "compile"; }\n'
        'if not test_script_run :append_result { test_fail "run"; }\n'
        'if not allof (test_result_action :index 1 "keep", test_result_action :index 2 "redirect") { test_fail "1"; }\n'
        'if not test_script_run { test_fail "run"; }\n'
        'if not test_result_action :count "eq" "1" { test_fail "2"; } }',
        s='redirect "a@example.org";',
    )
    assert trial.good, trial.cases


def test_what_has_been_executed_is_not_done_again(play: Play) -> None:
    trial = play(
        'test_mailbox_create "A"; test_mailbox_create "B";\n'
        'test "a" { fileinto "A"; if not test_result_execute { test_fail "1"; }\n'
        'fileinto "B"; if not test_result_execute { test_fail "2"; }\n'
        'if not test_message :folder "B" 0 { test_fail "B"; }\n'
        'if test_message :folder "A" 1 { test_fail "A"; } }'
    )
    assert trial.good, trial.cases


def test_a_saved_script_can_be_run_again(play: Play) -> None:
    trial = play(
        'test "a" { if not test_script_compile "one.sieve" { test_fail "1"; } test_binary_save "x";\n'
        'if not test_script_compile "two.sieve" { test_fail "2"; }\n'
        'test_binary_load "x"; if not test_script_run { test_fail "run"; }\n'
        'if not test_result_action "discard" { test_fail "another"; } }',
        one="discard;",
        two="keep;",
    )
    assert trial.good, trial.cases


def test_settings_count_from_the_reload_on(play: Play) -> None:
    trial = play(
        'test "a" { test_config_set "sieve_variables_max_value_size" "3"; set "v" "12345";\n'
        'if not string "${v}" "12345" { test_fail "at once"; }\n'
        'test_config_reload :extension "variables"; set "v" "12345";\n'
        'if not string "${v}" "123" { test_fail "not after reload"; } }'
    )
    assert trial.good, trial.cases


def test_a_setting_that_cannot_be_read_is_a_run_time_error(play: Play) -> None:
    trial = play('test_config_set "sieve_max_actions" "many"; test_config_reload;')
    assert "sieve_max_actions" in trial.failure


def test_a_script_that_never_ends_ends(play: Play) -> None:
    trial = play(
        'test "a" { if not test_script_compile "inner.sieve" { test_fail "compile"; }\n'
        "if test_script_run { } }",
        inner='require "vnd.dovecot.testsuite"; if test_script_run { }',
    )
    assert not trial.crashed


def test_files_that_must_fail_are_good_when_every_test_fails(play: Play) -> None:
    all_fail = play('test "a" { test_fail "x"; }', expect_failure=True)
    assert all_fail.good
    assert all_fail.summary == "PASS: 1 tests failed, as expected."
    one_does_not = play('test "a" { test_fail "x"; }\ntest "b" { }', expect_failure=True)
    assert not one_does_not.good
    without_a_test = play("nonsense;", expect_failure=True)
    assert without_a_test.good
    nothing_fails = play("", expect_failure=True)
    assert not nothing_fails.good


def test_a_crash_is_no_expected_failure(tmp_path: Path) -> None:
    trial = Trial(tmp_path, expect_failure=True, failure="bang", crashed=True)
    assert not trial.good


def test_a_directory_is_walked(tmp_path: Path) -> None:
    for name in (
        "b.svtest",
        "a.svtest",
        "deep/c.svtest",
        "failures/d.svtest",
        "e.sieve",
        "t.svtest.in",
        "a.svtest.in",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    found = list(files.found([tmp_path]))
    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == ["a.svtest", "b.svtest", "deep/c.svtest", "failures/d.svtest", "t.svtest.in"]
    assert [files.must_fail(path) for path in found] == [False, False, False, True, False]


def test_lines_for_addresses_in_utf8_are_enabled_in_templates(tmp_path: Path) -> None:
    path = tmp_path / "x.svtest.in"
    path.write_bytes(b"one\n#UTF8#two\nthree\n")
    assert files.source_of(path) == b"one\ntwo\nthree\n"


def tamis(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tamis.cli", "sieve", "test", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    (tmp_path / "good.svtest").write_text(ALL + 'test "a" { }\n')
    (tmp_path / "bad.svtest").write_text(ALL + 'test "b <&>" { test_fail "\x07why"; }\ntest "c" { }\n')
    return tmp_path


def test_the_exit_status_tells(mixed: Path) -> None:
    assert tamis(mixed / "good.svtest").returncode == 0
    assert tamis(mixed).returncode == 1
    assert tamis("-F", mixed / "good.svtest").returncode == 1
    assert tamis(mixed / "good.svtest", mixed / "none.svtest").returncode == 1


def test_a_path_that_is_not_there_is_one_failure_and_the_run_goes_on(mixed: Path) -> None:
    done = tamis(mixed / "none.svtest", mixed / "good.svtest")
    assert "XX: Test CASE FAILED: the file cannot be read" in done.stdout
    assert "1 of 2 files are good" in done.stdout


def test_nothing_that_a_script_holds_reaches_the_terminal_as_a_command(mixed: Path) -> None:
    assert "FAILED: ?why" in tamis(mixed).stdout


def test_tap(mixed: Path) -> None:
    lines = tamis("--tap", mixed).stdout.splitlines()
    assert lines[0] == "TAP version 14"
    assert lines[1].startswith("not ok 1 - ")
    assert [line.split(" - ")[0] for line in lines if line.startswith("ok")] == ["ok 2", "ok 3"]
    assert lines[-1] == "1..3"


def test_junit(mixed: Path) -> None:
    out = mixed / "report.xml"
    assert tamis("--junit", out, mixed).returncode == 1
    suites = ElementTree.parse(out).getroot()
    assert [suite.get("failures") for suite in suites] == ["1", "0"]
    assert [case.get("name") for case in suites.iter("testcase")] == ["b <&>", "c", "a"]


def test_json(mixed: Path) -> None:
    found = json.loads(tamis("--json", mixed).stdout)
    assert [file["good"] for file in found] == [False, True]
    assert [test["failed"] for test in found[0]["tests"]] == [True, False]


def test_coverage_names_the_commands_that_never_ran(tmp_path: Path) -> None:
    (tmp_path / "s.sieve").write_text(
        'if header :is "subject" "a" {\n    discard;\n} else {\n    keep; stop;\n}\nkeep;\n'
    )
    path = tmp_path / "c.svtest"
    path.write_text(
        ALL + 'test "a" { if not test_script_compile "s.sieve" { test_fail "1"; }\n'
        'if not test_script_run { test_fail "2"; } }'
    )
    coverage = Coverage()
    assert run_file(path, coverage=coverage).good
    assert str(coverage) == f"{tmp_path / 's.sieve'}: 3 of 5 commands ran; never: 2:5, 6:1"


def test_coverage_counts_included_scripts(tmp_path: Path) -> None:
    (tmp_path / "s.sieve").write_text('require "include"; include "part";')
    (tmp_path / "included").mkdir()
    (tmp_path / "included" / "part.sieve").write_text('if exists "x-none" { discard; }\nkeep;\n')
    path = tmp_path / "c.svtest"
    path.write_text(
        ALL + 'test "a" { if not allof (test_script_compile "s.sieve", test_script_run) { test_fail "1"; } }'
    )
    coverage = Coverage()
    assert run_file(path, coverage=coverage).good
    included, main = str(coverage).splitlines()
    assert included == f"{tmp_path / 'included' / 'part.sieve'}: 2 of 3 commands ran; never: 1:22"
    assert main.endswith("s.sieve: 1 of 1 commands ran")
