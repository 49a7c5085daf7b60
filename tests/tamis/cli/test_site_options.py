"""The commands judge scripts by what the site allows, as deliveries do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tamis.toml"
    path.write_text(f"""
        [lda]
        handoff = "unix:{tmp_path}/lda.sock"
        [lda.sieve]
        site = "{tmp_path}/global"
        before = ["{tmp_path}/before"]
        [lda.sieve.limits]
        script_bytes = "100"
        nested_blocks = 2
        [lda.sieve.lists]
        vip = "{tmp_path}/vip"
        [lda.srs]
        domain = "ours.example"
        secret = "topsecret"
    """)
    return path


def tamis(*arguments: object, stdin: str = "") -> tuple[int, str]:
    command = [sys.executable, "-m", "tamis.cli", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_script_is_checked_against_the_sites_limits(config: Path) -> None:
    assert tamis("sieve", "check", "-", stdin="#" * 200)[0] == 0
    status, text = tamis("sieve", "check", "-c", config, "-", stdin="#" * 200)
    assert (status, "100" in text) == (1, True)


def test_included_scripts_of_the_site_are_found(config: Path) -> None:
    script = 'require "include"; include :global "a";'
    assert tamis("sieve", "check", "-c", config, "-", stdin=script)[0] == 1
    (config.parent / "global").mkdir()
    (config.parent / "global" / "a.sieve").write_text("keep;")
    assert tamis("sieve", "check", "-c", config, "-", stdin=script)[0] == 0


def test_programs_that_the_site_has_not_cannot_be_required(config: Path) -> None:
    script = 'require "vnd.dovecot.pipe"; pipe "x";'
    assert tamis("sieve", "check", "-c", config, "-", stdin=script)[0] == 1
    config.write_text(f'[lda.sieve.programs]\npipe = "{config.parent}"\n')
    assert tamis("sieve", "check", "-c", config, "-", stdin=script)[0] == 0


def test_a_bad_configuration_is_told(config: Path) -> None:
    config.write_text("[lda.sieve.limits]\nnonsense = 1\n")
    for command in ("check", "test"):
        status, text = tamis("sieve", command, "-c", config, config)
        assert (status, "nonsense" in text) == (78, True)


def test_tests_run_with_the_sites_limits_when_they_are_told_to(config: Path) -> None:
    path = config.parent / "x.svtest"
    inner = config.parent / "deep.sieve"
    inner.write_text("if true { if true { if true { keep; } } }")
    path.write_text(
        'require "vnd.dovecot.testsuite"; test "x" { if not test_script_compile "deep.sieve" { test_fail "no"; } }'
    )
    assert tamis("sieve", "test", path)[0] == 0
    config.write_text("[lda.sieve.limits]\nnested_blocks = 2\n")
    assert tamis("sieve", "test", "-c", config, path)[0] == 1


def test_the_doctor_looks_at_the_sites_scripts(config: Path) -> None:
    text = tamis("doctor", "-c", config)[1]
    assert "the scripts of [lda.sieve] before are not there" in text
    assert "the list vip is not there" in text
    (config.parent / "before").mkdir()
    (config.parent / "before" / "a.sieve").write_text("nosuch;")
    assert "a script of [lda.sieve] before has mistakes" in tamis("doctor", "-c", config)[1]
    (config.parent / "before" / "a.sieve").write_text("keep;")
    assert "the scripts of [lda.sieve] before compile: 1" in tamis("doctor", "-c", config)[1]


def test_senders_can_be_rewritten_and_read_back(config: Path) -> None:
    status, text = tamis("srs", "-c", config, "s@a.example")
    rewritten = text.split(" -> ")[1].strip()
    assert (status, rewritten.startswith("SRS0=")) == (0, True)
    assert tamis("srs", "-c", config, rewritten) == (0, f"{rewritten} -> s@a.example\n")
    status, text = tamis("srs", "-c", config, "SRS0=xxxx=JN=a.example=s@ours.example")
    assert (status, "forged" in text) == (1, True)
