"""The milter's part of the configuration: what signs comes last."""

from __future__ import annotations

from pathlib import Path

import pytest

from milters.config import assemble
from tamis.auth.keys import make_key
from tamis.config.load import Loader, parse
from tests.milters.signing import key_file

KEY = make_key("rsa", 1024)


def problems(text: str) -> list[tuple[str, str]]:
    loader = Loader(parse("tamis.toml", text))
    assemble(loader)
    return [(problem.key, problem.text) for problem in loader.problems()]


@pytest.fixture
def keys(tmp_path: Path) -> str:
    path = key_file(tmp_path / "k", KEY)
    return f'keys = [{{ domain = "example.org", selector = "s", key = "{path}" }}]\n'


def table(name: str, *lines: str) -> str:
    return f"[milter.checks.{name}]\n" + "".join(lines)


def test_sign_and_seal_come_last_in_any_order(keys: str) -> None:
    assert not problems(table("authenticate") + table("sign", keys) + table("seal", keys))
    assert not problems(table("authenticate") + table("seal", keys) + table("sign", keys))


def test_a_check_that_comes_after_what_signs_is_a_problem(keys: str) -> None:
    text = table("ours", 'check = "sign"\n', keys) + table("seal", keys) + table("authenticate")
    assert problems(text) == [
        (
            "milter.checks.authenticate",
            "comes after ours, whose signature must cover what leaves: put it before",
        )
    ]
    assert not problems(text + 'mode = "off"\n')
    assert problems(text + 'mode = "shadow"\n'), "it is to be enforced some day"
    assert not problems(table("sign", 'mode = "off"\n', keys) + table("authenticate"))


def test_a_bad_key_is_told_with_its_file(tmp_path: Path, keys: str) -> None:
    (tmp_path / "k").chmod(0o644)
    [(key, text)] = problems(table("sign", keys))
    assert key == "milter.checks.sign.keys"
    assert text == f"{tmp_path}/k: mode 0644 lets others at the key: chmod 0600 {tmp_path}/k"
    found = problems(
        table("seal", 'keys = [{ domain = "x y", selector = "s", key = "k", since = "soon" }]\n')
    )
    assert [key for key, _ in found] == [
        f"milter.checks.seal.keys[0].{name}" for name in ("domain", "key", "since")
    ]
