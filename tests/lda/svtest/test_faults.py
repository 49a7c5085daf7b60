"""The errors that test files count are those that the reference implementation lists."""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lda.sieve import Place, ScriptError, compile_script
from lda.sieve.limits import Limits
from lda.sieve.testsuite import LANGUAGE
from lda.svtest import grammar
from lda.svtest.faults import listed, stricter
from tests.lda.sieve.differential import Reference

SUITE = Path(__file__).parents[2] / "sieve"
LIMITS = Limits()
Errors = Callable[[bytes], list[str]]


def library(place: Place) -> bytes | None:
    storage = {"personal": "included", "global": "included-global"}[place.location]
    path = SUITE / storage / f"{place.name}.sieve"
    return path.read_bytes() if path.exists() else None


def ours(script: bytes) -> list[str]:
    """The list of the errors, empty if it compiles."""
    try:
        compile_script(script, "s", language=LANGUAGE, library=library)
    except ScriptError as error:
        return listed(error, "s", script, LIMITS, library)
    return []


@pytest.mark.parametrize(
    ("script", "count"),
    [
        ("keep", 1),
        ("keep;", 0),
        ("keep }", 1),
        ("if true { keep };", 1),
        ("if true { keep } else { discard }", 2),
        ("keep ) { discard; } stop ]", 2),
        ("keep , ( ; ) stop ]", 1),
        ("keep [ , ( ; stop ]", 3),
        ('keep ["a" "b"]; stop', 2),
        ("keep (true, 3) stop;", 2),
        ("keep (3); stop", 2),
        ("if anyof () { keep; } stop", 3),
        ("if anyof (true { keep; } stop", 2),
        ("if anyof (header ((true)), true) { keep }", 2),
        ("if true { 3 keep }", 1),
        ("keep; @ stop; @", 2),
        ("keep @@ @ !; stop ]", 5),
        ("keep text: x\n;", 1),
        ('keep "open', 1),
        ("keep /* open", 1),
        ("# a NUL \0\nstop ]", 1),
        ('keep "a\rb"', 2),
        ("keep 18446744073709551616;", 1),
        ("a" * 33 + ";", 1),
        ("if true { " * 32 + "} " * 32, 1),
        ("if " + "not " * 31 + "true { }", 1),
        ("keep " + "1 " * 33 + ";", 1),
    ],
)
def test_reading_goes_on_where_the_reference_goes_on(script: str, count: int) -> None:
    """The counts are those of sievec (dovecot-sieve 0.5.19), without the last line, that parsing failed."""
    assert len(grammar.errors(script.encode("latin-1"), LIMITS)) == count


def test_a_script_that_is_too_large_is_not_read() -> None:
    assert grammar.errors(b"#" * (LIMITS.script_bytes + 1), LIMITS) == [
        f"sieve script is too large (max {LIMITS.script_bytes} bytes)"
    ]


@pytest.mark.parametrize("seed", range(20))
def test_any_bytes_are_read_to_their_end(seed: int) -> None:
    """No exception and no endless loop, whatever the tokens."""
    rnd = random.Random(seed)
    pieces = [
        "keep",
        "if",
        "true",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        ";",
        ",",
        '"',
        '"a"',
        "text:\n",
        "\0",
        "\r",
        "\n",
        "/*",
        "#",
        "3K",
        ":x",
        "@",
    ]
    for _ in range(300):
        script = " ".join(rnd.choices(pieces, k=rnd.randrange(30)))
        assert len(grammar.errors(script.encode(), LIMITS)) <= len(script) + 1


def test_one_broken_included_script_ends_the_list() -> None:
    texts = ours(b'require "include"; include "one-level"; include "parses-not";')
    assert texts == [
        "unknown command 'frop' (only reported once at first occurrence)",
        "unknown command 'friep' (only reported once at first occurrence)",
        "failed to validate included script 'validates-not'",
        "failed to generate code for included script 'one-level'",
        "code generation failed",
    ]


def test_a_value_with_a_control_character_is_an_error_here() -> None:
    script = compile_script(b'require "editheader"; addheader "X" "a\x01b";', "s")
    assert stricter(script.warnings)[-1] == "validation failed"
    assert stricter(compile_script(b"keep;", "s").warnings) == []


@pytest.fixture(scope="module")
def sievec(tmp_path_factory: pytest.TempPathFactory) -> Errors:
    """The errors that Dovecot's compiler lists."""
    if not Reference.available():
        pytest.skip("sievec is not installed (Debian: dovecot-sieve)")
    root = tmp_path_factory.mktemp("sievec")
    identity = "mail_uid = 65534\nmail_gid = 65534" if os.geteuid() == 0 else ""
    (root / "dovecot.conf").write_text(
        f"base_dir = {root}\nlog_path = /dev/stderr\nmail_location = maildir:{root}/mail\nmail_home = {root}\n"
        f"ssl = no\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n{identity}\nplugin {{\n"
        "  sieve_extensions = +editheader +spamtest "
        "+spamtestplus +virustest +vacation-seconds +mboxmetadata +servermetadata +special-use +vnd.dovecot.report "
        "+vnd.dovecot.environment +vnd.dovecot.debug\n}\n"
    )

    def errors(script: bytes) -> list[str]:
        (root / "s.sieve").write_bytes(script)
        done = subprocess.run(
            ["sievec", "-c", root / "dovecot.conf", "s.sieve", "s.svbin"],
            cwd=root, env={"PATH": os.environ["PATH"]}, capture_output=True, timeout=30, check=False,
        )  # fmt: skip
        output = (done.stdout + done.stderr).decode("utf-8", "replace")
        return re.findall(r"^s: (?:line \d+: )?error: (.*?)\.?$", output, re.MULTILINE)

    return errors


_OTHERWISE = {"deleteheader"}
"""Without :index, :last is an error there too, but not one that stops the script."""
_MORE = re.compile(
    rb"include|extracttext|deliverby|fcc|mailboxid|replace|enclose|convert|ereject|extlists|dsn|vnd\.dovecot\.(pipe|filter|execute)"
)


@pytest.mark.integration
@pytest.mark.parametrize("path", sorted((SUITE / "errors").glob("*.sieve")), ids=lambda path: path.stem)
def test_the_scripts_of_our_suite_have_as_many_errors_there(path: Path, sievec: Errors) -> None:
    script = path.read_bytes()
    if path.stem in _OTHERWISE or _MORE.search(script) or b"testsuite" in script:
        pytest.skip("the reference has no such extension, or cannot include here")
    theirs = sievec(script)
    assert len(ours(script)) == len(theirs), (ours(script), theirs)


_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|text:|[A-Za-z_]+|:[a-z]+|\d+|[][(){};,]|\S|\s+', re.DOTALL)
_PIECES = [
    '"',
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ";",
    ",",
    '"a"',
    "3",
    "true",
    "keep",
    ":is",
    "@",
    "text:",
    "/*",
    "#",
    "not",
]


def broken(rnd: random.Random, script: str) -> str:
    """*script* with a few tokens taken out, put in, or exchanged."""
    tokens = _TOKENS.findall(script)
    for _ in range(rnd.choice([1, 1, 2, 3])):
        place = rnd.randrange(len(tokens))
        tokens[place : place + rnd.randrange(2)] = [f" {rnd.choice(_PIECES)} "] * rnd.randrange(2)
    return "".join(tokens)


@pytest.mark.integration
@pytest.mark.parametrize("seed", range(4))
def test_broken_scripts_have_as_many_syntax_errors_there(seed: int, sievec: Errors) -> None:
    rnd = random.Random(seed)
    scripts = [
        p.read_text("latin-1") for p in sorted((SUITE / "errors").glob("*.sieve")) if p.stat().st_size < 1500
    ]
    for _ in range(60):
        script = broken(rnd, rnd.choice(scripts)).encode("latin-1")
        theirs = sievec(script)
        wanted = len(theirs) - 1 if "parse failed" in theirs else 0
        assert len(grammar.errors(script, LIMITS)) == wanted, (script, theirs)
