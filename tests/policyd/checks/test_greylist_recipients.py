"""For whom strangers wait: recipients and domains that say so in tables, and those that say nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tamis.errors import TempFail
from tamis.verdict import Kind
from tests.policyd.checks.test_greylist import Gate, gate
from tests.policyd.checks.world import complaints

ROWS = [
    ("ours.example", "on"),
    ("quick@ours.example", "off"),
    ("below.ours.example", "off"),
    ("odd.example", "maybe"),
]


@pytest.fixture(params=["file", "sql"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        (tmp_path / "wishes").write_text("".join(f"{key} {word}\n" for key, word in ROWS))
        return f"texthash:{tmp_path}/wishes"
    with closing(sqlite3.connect(tmp_path / "x.db")) as db, db:
        db.execute("CREATE TABLE wishes (address TEXT, word TEXT)")
        db.executemany("INSERT INTO wishes VALUES (?, ?)", ROWS)
    (tmp_path / "wishes.toml").write_text(
        f'url = "sqlite:///{tmp_path}/x.db"\nquery = "SELECT address, word FROM wishes WHERE address IN :keys"\n'
    )
    return f"sql:{tmp_path}/wishes.toml"


def door(table: str, **options: Any) -> Gate:
    return gate(recipient_tables=(table,), **options)


@pytest.mark.parametrize(
    ("recipient", "waits"),
    [
        ("bob@ours.example", True),
        ("BOB+news@Ours.example", True),
        ("quick@ours.example", False),
        ("quick+x@ours.example", False),
        ("bob@below.ours.example", False),
        ("bob@other.example", False),
    ],
)
def test_who_wants_it_is_greylisted_and_nobody_else(table: str, recipient: str, waits: bool) -> None:
    assert door(table, unlisted="off").waits(recipient=recipient) is waits


def test_those_whom_no_table_names_are_greylisted_by_default(table: str) -> None:
    assert door(table).waits(recipient="bob@other.example")
    assert not door(table).waits(recipient="quick@ours.example")


def test_one_who_does_not_want_it_lets_no_other_through(table: str) -> None:
    asked = door(table)
    assert not asked.waits(recipient="quick@ours.example", instance="one")
    assert asked.waits(recipient="bob@ours.example", instance="one")


def test_the_journal_says_why_nobody_waited(table: str) -> None:
    asked = door(table)
    verdict = asked.world.verdict(asked.check, recipient="quick@ours.example")
    assert (verdict.kind, verdict.reason) == (Kind.PASS, "recipient_off")


def test_an_entry_that_is_neither_on_nor_off_is_a_failure(table: str) -> None:
    with pytest.raises(TempFail, match="bad entry"):
        door(table).waits(recipient="bob@odd.example")


def test_without_tables_nobody_is_asked_and_everybody_waits() -> None:
    assert gate().waits()


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ('unlisted = "off"', "unlisted: without recipient_tables nobody ever waits"),
        ('recipient_tables = ["texthash:/no/such/file"]', "recipient_tables: /no/such/file"),
        ('recipient_tables = ["nosuch:/x"]', "recipient_tables: 'nosuch' is none of"),
        ('unlisted = "maybe"', "unlisted"),
    ],
)
def test_mistakes_are_told(lines: str, complaint: str) -> None:
    assert complaint in complaints(f"[policyd.checks.greylist]\n{lines}\n")
