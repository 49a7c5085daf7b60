"""docs/sieve.md names options that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lda.script_config import SieveConfig

DOC = Path(__file__).parents[2] / "docs" / "sieve.md"


def named() -> list[str]:
    """The options in the right column of the table, with their tables."""
    table = DOC.read_text().partition("| Dovecot | Tamis |")[2].partition("\n\n")[0]
    found = []
    for row in table.splitlines()[2:]:
        prefix = ""
        cell = row.split("|")[2]
        if "[lda." in cell:
            continue
        for word in re.findall(r"`([a-z_.*A-Z]+)`", cell):
            if word.startswith("vnd."):
                continue
            prefix = word.partition(".")[0] + "." if "." in word else prefix
            found.append(word if "." in word or not prefix else prefix + word)
    return found


@pytest.mark.parametrize("option", named())
def test_options_of_the_table_exist(option: str) -> None:
    table: object = SieveConfig()
    for name in option.split("."):
        if name == "*" or isinstance(table, dict):
            return
        if name in {"sieve_user_email", "sieve_user_log"}:
            return
        assert hasattr(table, name), option
        table = getattr(table, name)


def test_no_line_outside_of_tables_is_long() -> None:
    assert all(len(line) <= 130 for line in DOC.read_text().splitlines() if not line.startswith("|"))
