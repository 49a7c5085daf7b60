"""docs/content.md: its examples load, and its tables name the options, defaults and conditions that there are."""

from __future__ import annotations

import re
from pathlib import Path

from milters.checks.from_field import From
from milters.rules.part import PartWhen
from milters.rules.when import When
from tamis.config.schema import options_of
from tests.milters.rules.world import configured

TEXT = (Path(__file__).parents[2] / "docs/content.md").read_text()
SECTIONS = dict(re.findall(r"(?ms)^## (\w+): .*?\n(.*?)(?=^## |\Z)", TEXT))


def test_the_examples_load_together(tmp_path: Path) -> None:
    lines = [line[4:] for line in TEXT.splitlines() if line.startswith("    ") and "names_file" not in line]
    checks = configured(tmp_path, "\n".join(lines))
    assert [one.name for one in checks] == ["from", "uris", "content", "headers"]


def test_every_finding_of_from_stands_there_with_its_answer() -> None:
    answers = dict(re.findall(r"(?m)^\| `(\w+)` \|.*\| `([^`]+)` \|$", SECTIONS["from"]))
    others = {
        "protected_domains",
        "protected_names",
        "names_file",
        "known",
        "trusted_networks",
        "suffix_list",
    }
    assert answers == {one.name: one.default for one in options_of(From) if one.name not in others}


def test_every_condition_stands_there() -> None:
    rows = re.findall(r"(?m)^\| (`.*?) \|.*\|.*\|$", SECTIONS["content"])
    told = {name.partition(".")[0] for row in rows for name in re.findall(r"`\.?([\w.]+)`", row)}
    conditions = {one.name for one in options_of(When)} | {one.name for one in options_of(PartWhen)}
    assert told | {"queue_id", "type"} == conditions | {"type"}
