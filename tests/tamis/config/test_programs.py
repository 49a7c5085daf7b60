"""The options of all programs: documented, printed and read again as the same, by the flags that all share."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lda.config
import milters.checks
import milters.config
import policyd.checks
import policyd.config
from tamis.config.catalogue import Table, tables_of
from tamis.config.load import Loader, parse
from tests.tamis.config import sample

ROOT = Path(__file__).parents[3]
ASSEMBLE: dict[str, Callable[[Loader], Any]] = {
    "policyd": policyd.config.assemble,
    "milters": milters.config.assemble,
    "lda": lda.config.assemble,
}
NAMES = {"policyd": "tamis-policyd", "milters": "tamis-milter", "lda": "tamis-lmtpd"}
TABLES = {"policyd": "policyd", "milters": "milter", "lda": "lda"}
CHECKS = {"policyd": set(policyd.checks.CHECKS), "milters": set(milters.checks.CHECKS)}
programs = pytest.mark.parametrize("program", ASSEMBLE)


def run(program: str, *arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", program, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=30, env=os.environ | environ
    )


def root_of(assembled: Any) -> Any:
    return assembled[0] if isinstance(assembled, tuple) else assembled


@programs
def test_every_option_says_in_one_line_what_it_is(program: str) -> None:
    for table in tables_of(ASSEMBLE[program]):
        assert table.doc or not table.header, table.header
        for row in table.rows:
            assert row.doc, f"{table.header} {row.name}"
            assert row.doc.isprintable()


@programs
def test_programs_that_share_a_table_agree_about_it(program: str) -> None:
    """Each may be started with the file of all."""
    mine = {table.header: table for table in tables_of(ASSEMBLE[program]) if table.header}
    for other in ASSEMBLE.values():
        theirs = {table.header: table for table in tables_of(other)}
        assert all(mine[name] == theirs[name] for name in mine.keys() & theirs.keys())


class TestDefaults:
    @programs
    def test_they_are_read_again_as_the_same(self, program: str) -> None:
        done = run(program, "--defaults", "-c", "/nonexistent")
        assert (done.returncode, done.stderr) == (0, "")
        printed, nothing = (Loader(parse("t.toml", text)) for text in (done.stdout, ""))
        assert root_of(ASSEMBLE[program](printed)) == root_of(ASSEMBLE[program](nothing))
        assert printed.problems() == []

    @programs
    def test_with_its_templates_too_it_is_toml_without_an_unknown_name(self, program: str) -> None:
        """Whoever takes the mark away from a template has a table that only lacks what nobody can guess."""
        text = run(program, "--defaults").stdout
        taken = "\n".join(
            line.removeprefix("#") for line in text.splitlines() if line[:2] != "# " and line[-2:] != " ="
        )
        table = tomllib.loads(taken)[TABLES[program]]
        assert set(table.get("checks", {})) == CHECKS.get(program, set())
        loader = Loader(parse("t.toml", taken))
        ASSEMBLE[program](loader)
        assert not [p for p in loader.problems() if "unknown" in p.text]

    def test_every_form_of_table(self) -> None:
        tables = {table.header: table for table in tables_of(sample.assemble)}
        assert list(tables) == [
            "", "[log]", "[policyd]", "[policyd.inner]", "[[policyd.peers]]", "[policyd.checks.knock]",
            "[policyd.checks.ring]",
        ]  # fmt: skip
        assert [table.given for table in tables.values()] == [True] * 4 + [False] * 3
        assert column(tables["[policyd.inner]"], "default") == ['"1MiB"', "0.25", "{}"]
        assert column(tables["[[policyd.peers]]"], "default") == ["", "1"]
        assert column(tables["[policyd.checks.ring]"], "default") == [
            '"ring"',
            '"enforce"',
            '"defer"',
            '"0s"',
            "3",
            "[]",
        ]
        assert column(tables["[policyd]"], "kind") == [
            "list: text", "file mode", "time, 10ms to 90s", "whole number, 1 to 1000", "true or false",
            '"first" | "last"', "path", "list: network", "list: rate", "secret, no default", "text",
            "whole number, no default",
        ]  # fmt: skip
        assert column(tables["[[policyd.peers]]"], "kind") == ["text, required", "whole number, 1 or more"]


def column(table: Table, name: str) -> list[str]:
    return [getattr(row, name) for row in table.rows]


class TestFlags:
    @pytest.fixture
    def good(self, tmp_path: Path) -> Path:
        path = tmp_path / "t.toml"
        path.write_text('[log]\nlevel = "debug"\n')
        return path

    @pytest.fixture
    def bad(self, tmp_path: Path) -> Path:
        path = tmp_path / "t.toml"
        path.write_text('[log]\nlevle = "debug"\nto = "stdout"\n')
        return path

    @programs
    def test_check(self, program: str, good: Path) -> None:
        done = run(program, "--check", TAMIS_CONFIG=str(good))
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{good}: no problems\n", "")

    @programs
    @pytest.mark.parametrize("flags", [["--check"], ["--changed"], ["--changed", "--json"], []])
    def test_all_problems_are_on_stderr_and_the_status_is_78(
        self, program: str, bad: Path, flags: list[str]
    ) -> None:
        done = run(program, "-c", bad, *flags)
        assert (done.returncode, done.stdout) == (78, "")
        assert done.stderr.splitlines() == [
            f'{bad}:2: log.levle: unknown option, did you mean "level"?',
            f'{bad}:3: log.to: expected "syslog" or "stderr", not the text "stdout"',
        ]

    def test_check_as_json(self, good: Path) -> None:
        done = run("policyd", "--check", "--json", "-c", good)
        assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, [], "")
        good.write_text("[log\n")
        done = run("policyd", "--check", "--json", "-c", good)
        assert (done.returncode, done.stderr) == (78, "")
        assert json.loads(done.stdout) == [
            {"file": str(good), "line": 1, "key": "",
             "text": "not TOML: expected ']' at the end of a table declaration"}
        ]  # fmt: skip

    def test_changed(self, good: Path) -> None:
        done = run("lda", "--changed", "-c", good)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f'log.level = "debug"  # {good}:2, default "info"\n'
        assert json.loads(run("lda", "--changed", "--json", "-c", good).stdout) == [
            {"key": "log.level", "value": "debug", "default": "info", "file": str(good), "line": 2}
        ]

    @programs
    def test_help_teaches(self, program: str) -> None:
        done = run(program, "--help")
        assert (done.returncode, done.stderr) == (0, "")
        for word in (
            "--config FILE", "--check", "--defaults", "--changed", "--json", "--version", "/etc/tamis/tamis.toml",
            "$TAMIS_CONFIG", "\nfiles:\n", "\nexit status (sysexits.h):\n", "78",
        ):  # fmt: skip
            assert word in done.stdout
        assert "\x1b" not in done.stdout

    def test_help_shows_examples_as_they_stand(self) -> None:
        assert (
            '\n      [policyd.checks.users]\n      check = "ratelimit"\n' in run("policyd", "--help").stdout
        )

    @programs
    def test_version(self, program: str) -> None:
        assert run(program, "--version").stdout.startswith(f"{NAMES[program]} ")

    @pytest.mark.parametrize(
        "flags", [["--json"], ["--json", "--defaults"], ["--check", "--changed"], ["--chec"], ["more"]]
    )
    def test_a_wrong_call_is_64(self, good: Path, flags: list[str]) -> None:
        done = run("policyd", "-c", good, *flags)
        assert (done.returncode, done.stdout) == (64, "")
        assert done.stderr


@pytest.mark.parametrize(
    ("environ", "colour"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colour_is_for_terminals(environ: dict[str, str], colour: bool) -> None:
    """And only where nobody asked to do without it."""
    ours, theirs = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "TERM"}} | {"TERM": "xterm"} | environ
    subprocess.run(
        [sys.executable, "-m", "policyd", "-c", "/nonexistent", "--check"],
        stdout=theirs, stderr=theirs, env=env, cwd=ROOT, check=False,
    )  # fmt: skip
    os.close(theirs)
    with open(ours, "rb") as terminal:
        text = terminal.readline()
    assert text.startswith(b"\x1b[1m/nonexistent: \x1b[0mcannot" if colour else b"/nonexistent: cannot")
