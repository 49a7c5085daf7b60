"""docs/policy.md: the examples of tables in stores and of the checks that use them load; every policy is explained."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from policyd.checks import CHECKS
from policyd.checks.lists import POLICIES
from policyd.tables.store import StoredTable
from tests.policyd.checks.world import configured

TEXT = (Path(__file__).parents[2] / "docs/policy.md").read_text()
SECTIONS = dict(re.findall(r"(?ms)^## ([^\n]+)\n(.*?)(?=^## |\Z)", TEXT))
EXAMPLE = re.compile(r"(?ms)^```toml\n(.*?)^```")


@pytest.mark.parametrize("name", ["sender_login", "lists"])
def test_the_example_of_a_check_loads(name: str, tmp_path: Path) -> None:
    [example] = EXAMPLE.findall(SECTIONS[name])
    (tmp_path / "t").write_text("a@example.org b\n")
    configured(re.sub(r'"\w+:/[^"]*"', f'"hash:{tmp_path}/t"', example))


@pytest.mark.parametrize("example", EXAMPLE.findall(SECTIONS["Tables in SQL and Redis"]))
def test_the_example_of_a_store_loads(example: str, tmp_path: Path) -> None:
    kind = example.split(":", 1)[0].removeprefix("# ")
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o600)
    path = tmp_path / "table.toml"
    path.write_text(re.sub(r'file = "[^"]*"', f'file = "{tmp_path}/secret"', example))
    assert StoredTable(f"{kind}:{path}").faults() == []


def test_defaults_in_the_table_are_the_codes() -> None:
    check: Any = CHECKS["sender_login"]
    defaults = {one.name: one.default for one in fields(check) if one.init}
    rows = re.findall(r"(?m)^\| `(\w+)` \| (reject|pass|defer) \|", SECTIONS["sender_login"])
    assert len(rows) == 3
    assert {option: defaults[option] for option, _ in rows} == dict(rows)


def test_every_policy_is_explained() -> None:
    assert tuple(re.findall(r"(?m)^\| `(\w+)` \|", SECTIONS["lists"])) == POLICIES
