"""Secrets: where they may come from, who may not be able to read them, and that nothing prints them."""

from __future__ import annotations

import os
import pickle
import traceback
from pathlib import Path

import pytest

from tamis.config.schema import Secret
from tests.tamis.config.sample import built, complaints


def in_file(path: Path) -> str:
    return f'[policyd]\npassword = {{file = "{path}"}}\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "word"
    path.write_text("swordfish\n")
    path.chmod(0o600)
    return path


def revealed(text: str) -> str:
    password = built(text).policyd.password
    assert password is not None
    return password.reveal()


def test_from_a_file_without_its_last_newline(path: Path) -> None:
    assert revealed(in_file(path)) == "swordfish"
    path.write_bytes(b" a b \n\r\n")
    assert revealed(in_file(path)) == " a b \n"


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIS_WORD", "swordfish")
    assert revealed('policyd.password.env = "TAMIS_WORD"') == "swordfish"


def test_from_systemd(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose directory guards the file, whatever its mode."""
    path.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(path.parent))
    assert revealed('policyd.password = {credential = "word"}') == "swordfish"
    for name in ("../word", "", "."):
        assert complaints(f'policyd.password = {{credential = "{name}"}}') == [
            "1: policyd.password: a credential is a file name without a slash"
        ]
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert complaints('policyd.password = {credential = "word"}') == [
        "1: policyd.password: there is no $CREDENTIALS_DIRECTORY: the unit needs LoadCredential="
    ]


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o660, 0o601, 0o777])
def test_a_file_that_others_may_touch_is_refused(path: Path, mode: int) -> None:
    path.chmod(mode)
    assert complaints(in_file(path)) == [
        f"2: policyd.password: {str(path)!r} has mode {mode:04o}, so that others may read it; chmod 600 it"
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"), (b"\n", "is empty"), (b"a\0b", "holds a NUL byte"), (b"\xff", "is not UTF-8 text"),
        (b"x" * 65537, "is larger than a secret may be (65536 bytes)"),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_word(path: Path, content: bytes, sentence: str) -> None:
    path.write_bytes(content)
    assert complaints(in_file(path)) == [f"2: policyd.password: {str(path)!r} {sentence}"]


def test_what_is_no_file_does_not_stop_the_program(tmp_path: Path) -> None:
    """A named pipe without a writer would block an open(2) for ever."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path, sentence in (
        (tmp_path, f"cannot read {str(tmp_path)!r}: Is a directory"),
        (tmp_path / "pipe", f"{str(tmp_path / 'pipe')!r} is not a regular file"),
    ):
        assert complaints(in_file(path)) == [f"2: policyd.password: {sentence}"]


@pytest.mark.parametrize("secret", [Secret("swordfish"), Secret("swordfish", "env", "WORD")])
def test_nothing_prints_it(secret: Secret) -> None:
    with pytest.raises(ValueError) as caught:
        raise ValueError(secret)
    trace = "".join(traceback.format_exception(caught.value))
    assert "swordfish" not in f"{secret} {secret!r} {[secret]} {trace}"
    assert bool(secret)
    assert not Secret("")
    assert pickle.loads(pickle.dumps(secret)) == secret
