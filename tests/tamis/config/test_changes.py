"""What `--changed` knows: each difference, its line and its default; and that nothing secret is in it."""

from __future__ import annotations

import tomllib

import pytest

from tamis.config.changes import Change, changes
from tamis.config.load import Loader, parse
from tests.tamis.config.sample import Root, assemble, built
from tests.tamis.config.test_load import EVERYTHING


def found(text: str) -> list[Change]:
    loader = Loader(parse("t.toml", text))
    assemble(loader)
    loader.finish()
    return changes(loader)


def test_an_empty_file_changes_nothing() -> None:
    assert found("") == []


def test_what_is_written_as_it_is_anyway_is_no_change() -> None:
    assert found('[policyd]\nwait = "5000ms"\nmode = "660"\ninner.ratio = 0.25\n') == []


def test_each_change_has_its_line_and_its_default() -> None:
    text = '[policyd.inner]\nratio = 0.5\n\n[policyd]\nrates = ["1/1h"]\nuid = 7\n[log]\nlevel = "debug"\n'
    assert found(text) == [
        Change("policyd.inner.ratio", "0.5", "0.25", "t.toml", 2),
        Change("policyd.rates", '["1/1h"]', '["100/1h"]', "t.toml", 5),
        Change("policyd.uid", "7", "", "t.toml", 6),
        Change("log.level", '"debug"', '"info"', "t.toml", 8),
    ]


def test_a_check_is_a_change_even_if_it_says_nothing() -> None:
    loader = Loader(parse("t.toml", '[policyd.checks."my ring"]\ncheck="ring"\n[policyd.checks.knock]\n'))
    assemble(loader)
    assert [(c.key, c.value, c.line) for c in changes(loader)] == [
        ('policyd.checks."my ring".check', '"ring"', 2),
        ("policyd.checks.knock", "{}", 3),
    ]


def test_what_is_printed_is_read_again_as_the_same() -> None:
    """But for what is secret."""
    text = EVERYTHING.replace('url = "redis://h"\n', "").replace('password = "swordfish"\n', "")
    again = "\n".join(f"{change.key} = {change.value}" for change in found(text))
    assert built(again) == built(text) != Root()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('password = "swordfish"', '"********"'),
        ('password = {env = "WORD"}', '{env = "WORD"}'),
        ('url = "redis://u:swordfish@h/0?x=swordfish"', '"redis://********"'),
        ('url = "swordfish"', '"********"'),
    ],
)
def test_secrets_are_masked(line: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "swordfish")
    [change] = found(f"[policyd]\n{line}\n")
    assert change.value == shown
    assert "swordfish" not in str(change.plain())


def test_as_json_the_values_have_their_own_types() -> None:
    changed = found("[policyd]\nstrict = false\nuid = 5\nrates = []\n")
    assert [(c.plain()["value"], c.plain()["default"]) for c in changed] == [
        (False, True), (5, None), ([], ["100/1h"]),
    ]  # fmt: skip


def test_any_text_survives() -> None:
    """Also one with quotes, controls and whatever else a basic string has escapes for."""
    name = "".join(map(chr, range(1, 256))) + '\\u0041"""\u2028😀'
    escaped = "".join(f"\\U{ord(c):08x}" for c in name)
    [change] = found(f'hostname = "{escaped}"')
    assert tomllib.loads(f"x = {change.value}") == {"x": name}
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in change.value)
