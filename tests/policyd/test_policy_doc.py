"""docs/policy.md: the examples of these checks load, and its tables name the defaults and every question."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from policyd.checks import CHECKS
from policyd.checks.helo import SENTENCES as HELO
from tamis.config.load import Loader, parse
from tamis.config.schema import options_of
from tamis.registry import configure_checks

TEXT = (Path(__file__).parents[2] / "docs/policy.md").read_text()
SECTIONS = dict(re.findall(r"(?ms)^## (\w+)\n(.*?)(?=^## |\Z)", TEXT))
OURS = ("spf", "helo", "fcrdns", "access", "dnsbl", "rules", "outbound", "trap")
EXAMPLES = [one for name in OURS for one in re.findall(r"(?ms)^```toml\n(.*?)^```", SECTIONS[name])]


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_loads(example: str) -> None:
    loader = Loader(parse("tamis.toml", re.sub(r"(?m)^(?:tables|geoip) = .*$", "", example)))
    assert configure_checks(loader, "policyd.checks", CHECKS)
    loader.finish()


@pytest.mark.parametrize("name", OURS)
def test_defaults_in_tables_are_the_codes(name: str) -> None:
    check: Any = CHECKS[name]
    defaults = {one.name: one.default for one in options_of(check)}
    rows = re.findall(r"(?m)^\| `(\w+)` \| (reject|pass|defer) \|", SECTIONS[name])
    assert {option: defaults[option] for option, _ in rows} == dict(rows)


def test_every_question_of_helo_is_explained() -> None:
    assert set(re.findall(r"(?m)^\| `(\w+)` \| \w+ \|", SECTIONS["helo"])) == set(HELO)
    assert set(HELO) <= {one.name for one in fields(CHECKS["helo"])}
