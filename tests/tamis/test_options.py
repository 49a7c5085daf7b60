"""docs/options.md is made from the dataclasses that the programs read."""

from __future__ import annotations

from pathlib import Path

from tamis.cli.options import page

ROOT = Path(__file__).parents[2]


def test_the_documentation_is_made_from_the_code() -> None:
    """`python -m tamis.cli.options > docs/options.md` mends it."""
    assert (ROOT / "docs/options.md").read_text() == page()


def test_a_table_that_several_programs_read_is_there_once() -> None:
    text = page()
    assert text.count("## `[log]`") == 1
    assert "What to log and where. Read by tamis-policyd, tamis-milter, tamis-lmtpd.\n" in text
