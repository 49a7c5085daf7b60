"""Checks of other distributions: found by entry point, never instead of ours, and a broken one is told."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from tamis.config.load import Loader, parse
from tamis.registry import GROUP, configure_checks
from tests.tamis.config.sample import Knock


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """The entry points that the machine has; a test adds its own."""
    points: list[EntryPoint] = []

    def entry_points(group: str) -> list[EntryPoint]:
        return [point for point in points if point.group == group]

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    return points


def problems(text: str) -> list[str]:
    loader = Loader(parse("t.toml", text))
    configure_checks(loader, "policyd.checks", {"knock": Knock})
    return list(map(str, loader.problems()))


def test_one_is_configured_like_ours(installed: list[EntryPoint]) -> None:
    installed.append(EntryPoint("bell", "tests.tamis.config.sample:Knock", GROUP))
    text = "[policyd.checks.bell]\ntimes = 0\nrates = ['1/1s']\n"
    assert problems(text) == ["t.toml:2: policyd.checks.bell.times: must be 1 or more, not 0"]
    assert problems("[policyd.checks.bel]") == [
        't.toml:1: policyd.checks.bel: unknown check, did you mean "bell"?'
    ]


def test_none_takes_the_name_of_ours(installed: list[EntryPoint]) -> None:
    installed.append(EntryPoint("knock", "tests.tamis.config.sample:Peer", GROUP))
    assert problems("") == [
        "tamis.checks: knock: tests.tamis.config.sample:Peer may not replace a built-in check"
    ]


def test_one_that_cannot_be_loaded_is_told_beside_all_else(installed: list[EntryPoint]) -> None:
    installed.append(EntryPoint("gong", "tests.tamis.config.sample:Gong", GROUP))
    assert problems("[policyd.checks.knock]") == [
        "t.toml:1: policyd.checks.knock.rates: must name a rate",
        (
            "tamis.checks: gong: tests.tamis.config.sample:Gong cannot be loaded: "
            "module 'tests.tamis.config.sample' has no attribute 'Gong'"
        ),
    ]
