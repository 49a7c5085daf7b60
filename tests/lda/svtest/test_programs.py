"""The settings under which a test file's programs run."""

from __future__ import annotations

from pathlib import Path

import pytest

from lda.sieve import Envelope
from lda.sieve.programs import RunProgram
from lda.svtest.programs import check, programs
from lda.svtest.settings import BadSetting, Settings


def settings(**values: str) -> Settings:
    """As the extension vnd.dovecot.execute has read them."""
    made = Settings()
    for name, value in values.items():
        made.change(name, value)
    made.reload("vnd.dovecot.execute")
    return made


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "say"
    program.write_text('#!/bin/sh\nprintf "%s" "$SENDER"\n')
    program.chmod(0o755)
    return tmp_path


def said(made: Settings, directory: Path) -> object:
    found = programs(made, "execute", Envelope(sender="s@a"), directory)
    return found.answer(RunProgram("execute", "say", (), None, 100))


def test_a_directory_is_seen_from_the_test_file(directory: Path) -> None:
    assert said(settings(sieve_execute_bin_dir="bin"), directory) == b"s@a"
    assert said(settings(sieve_execute_bin_dir=f"{directory}/bin"), Path("/nowhere")) == b"s@a"
    assert said(settings(), directory) is None
    assert said(settings(sieve_filter_bin_dir="bin"), directory) is None


def test_what_is_set_counts_from_the_reload_on(directory: Path) -> None:
    made = settings()
    made.change("sieve_execute_bin_dir", "bin")
    assert said(made, directory) is None
    made.reload("vnd.dovecot.execute")
    assert said(made, directory) == b"s@a"


@pytest.mark.parametrize(("name", "value"), [("input_eol", "cr"), ("exec_timeout", "soon")])
def test_what_cannot_be_read_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadSetting):
        check(settings(**{f"sieve_execute_{name}": value}))
    check(settings(sieve_execute_input_eol="LF", sieve_execute_exec_timeout="0"))
