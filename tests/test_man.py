"""The manual pages: every option that a program has, and none that it has not; installed; and good mdoc(7)."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from lda.client import options as lda_options
from tamis.cli import sieve
from tamis.cli.__main__ import COMMANDS
from tamis.cli.manual import page
from tamis.config.command import Parser, make_parser

ROOT = Path(__file__).parent.parent
MAN = ROOT / "docs/man"
PAGES = sorted(MAN.iterdir())
DAEMONS = ("tamis-policyd", "tamis-milter", "tamis-lmtpd")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

_FLAG = re.compile(r"\bFl (-?[A-Za-z][A-Za-z-]*)")
HELP = {"-h", "--help"}


def documented(text: str) -> set[str]:
    """The options that a list of *text* explains: ``.It Fl v , Fl -verbose``."""
    found: set[str] = set()
    for line in text.splitlines():
        if line.startswith(".It Fl "):
            bare = re.sub(r" , ([A-Za-z])\b", r" , Fl \1", line)  # .It Fl e , k
            found |= {f"-{name}" for name in _FLAG.findall(bare)}
    return found


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """What it takes, and its commands take, but for help and what is hidden."""
    found: set[str] = set()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                found |= options_of(sub)
        elif action.help != argparse.SUPPRESS:
            found |= set(action.option_strings)
    return found - HELP


def parser_of(module: str) -> argparse.ArgumentParser:
    parser = Parser("x")
    import_module(module).arguments(parser)
    return parser


def read(name: str) -> str:
    return (MAN / name).read_text()


@pytest.mark.parametrize("program", DAEMONS)
def test_the_page_of_a_daemon_explains_each_of_its_options(program: str) -> None:
    assert documented(read(f"{program}.8")) == options_of(make_parser(program, ""))


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"sieve"}))
def test_the_page_of_a_command_explains_each_of_its_options(command: str) -> None:
    assert documented(read(f"tamis-{command}.1")) == options_of(parser_of(COMMANDS[command][0]))


@pytest.mark.parametrize("command", sorted(sieve.COMMANDS))
def test_the_page_of_the_sieve_tools_explains_each_option_of_each(command: str) -> None:
    text = read("tamis-sieve.1")
    parts = dict(re.findall(r"(?ms)^\.Ss (\w+)\n(.*?)(?=^\.S[sh] )", text))
    assert set(parts) == set(sieve.COMMANDS)
    [shared] = re.findall(r"(?ms)^\.Sh SCRIPTS ON A SERVER\n(.*?)(?=^\.Sh )", text)
    explained = documented(parts[command])
    if "server options" in parts[command]:
        explained |= documented(shared)
    assert explained == options_of(parser_of(sieve.COMMANDS[command][0]))


def test_the_page_of_tamis_lda_explains_each_of_its_options() -> None:
    names = {f"--{name.replace('_', '-')}" for name in lda_options.LONG}
    letters = {f"-{letter}" for letter in (*lda_options.SHORT, *lda_options._FLAGS)}
    assert documented(read("tamis-lda.8")) == names | letters


def test_the_synopsis_names_nothing_that_is_not_explained() -> None:
    for path in PAGES:
        text = path.read_text()
        for synopsis in re.findall(r"(?ms)^\.Sh SYNOPSIS\n(.*?)(?=^\.Sh )", text):
            named = {f"-{name}" for name in _FLAG.findall(synopsis)}
            letters = {f"-{letter}" for name in named if name[1] != "-" for letter in name[1:]}
            assert {name for name in named if name[1] == "-"} | letters <= documented(text), path.name


def test_tamis_names_all_its_commands() -> None:
    text = read("tamis.1")
    for command in COMMANDS:
        assert f".It Cm {command}\n" in text
        assert f".Xr tamis-{command} 1" in text


def test_the_page_of_the_configuration_is_made_from_the_code() -> None:
    """`python -m tamis.cli.manual > docs/man/tamis.toml.5` mends it."""
    assert read("tamis.toml.5") == page()


def test_every_page_is_installed_where_man_looks() -> None:
    shared = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert shared == {
        f"docs/man/{path.name}": f"share/man/man{path.suffix[1:]}/{path.name}" for path in PAGES
    }


def test_every_program_has_a_page() -> None:
    named = {name for path in PAGES for name in re.findall(r"(?m)^\.Nm ([\w.-]+)", path.read_text())}
    assert {*PROJECT["project"]["scripts"], "tamis-lda", "tamis.toml"} <= named


def test_references_between_our_pages_lead_somewhere() -> None:
    ours = {path.name for path in PAGES}
    for path in PAGES:
        for name, section in re.findall(r"^\.Xr (tamis\S*) (\S+)", path.read_text(), re.MULTILINE):
            assert f"{name}.{section}" in ours, f"{path.name} refers to {name}({section})"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_mandoc_has_nothing_to_say(path: Path) -> None:
    command = ["mandoc", "-Tlint", "-W", "warning", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("program", ["policyd", "milters"])
def test_the_page_of_a_daemon_names_its_checks(program: str) -> None:
    checks = import_module(f"{program}.checks").CHECKS
    text = read({"policyd": "tamis-policyd.8", "milters": "tamis-milter.8"}[program])
    listed = re.search(r"(?ms)^Checks:\n(.*?)^\.El", text)
    assert listed
    assert set(re.findall(r"(?m)^\.It Cm (\w+)", listed[1])) == set(checks)
