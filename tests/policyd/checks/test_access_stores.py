"""The check access with tables in SQL and Redis, and entries that leave a score or a tag."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from policyd.checks.access import Access
from tamis.errors import TempFail
from tamis.verdict import Kind
from tests.policyd.checks.world import complaints, world

ROWS = [
    ("mail.example.org", "REJECT name"),
    ("203.0.113.0/24", "REJECT network"),
    ("203.0.113.8", "OK"),
    ("198.51.100", "DUNNO"),
    ("198", "REJECT never"),
    ("alice@example.org", "tag partner"),
    ("example.org", "REJECT domain of {sender}"),
    ("news@", "score 2.5"),
    ("two.example", "REJECT one"),
    ("two.example", "REJECT two"),
    ("digits.example", "450"),
    ("braces.example", "REJECT {nothing}"),
]


@pytest.fixture
def spec(tmp_path: Path) -> str:
    with closing(sqlite3.connect(tmp_path / "x.db")) as db, db:
        db.execute("CREATE TABLE access (k TEXT, v TEXT)")
        db.executemany("INSERT INTO access VALUES (?, ?)", ROWS)
    path = tmp_path / "access.toml"
    path.write_text(
        f'url = "sqlite:///{tmp_path}/x.db"\nquery = "SELECT k, v FROM access WHERE k IN :keys"\n'
    )
    return f"sql:{path}"


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ({}, "REJECT 5.7.1 name"),
        ({"client_name": "unknown"}, "REJECT 5.7.1 network"),
        ({"client_name": "unknown", "client_address": "203.0.113.8"}, "DUNNO"),
        ({"client_name": "unknown", "client_address": "198.51.100.9"}, "DUNNO"),
        ({"client_name": "unknown", "client_address": "198.51.101.9"}, "REJECT 5.7.1 never"),
        ({"client_name": "unknown", "client_address": "192.0.2.1"}, "DUNNO"),
    ],
)
def test_the_most_specific_entry_of_a_store_decides(spec: str, changes: dict[str, Any], action: str) -> None:
    assert world().action(Access(tables=(spec,)), **changes) == action


def test_an_entry_leaves_a_tag_or_a_score_for_the_checks_behind(spec: str) -> None:
    check = Access(of="sender", tables=(spec,))
    tagged = world().verdict(check)
    assert (tagged.kind, tagged.tags, tagged.final) == (Kind.PASS, ("partner",), False)
    assert world().verdict(check, sender="news@other.example").score == 2.5
    assert world().action(check, sender="bob@example.org") == "REJECT 5.7.1 domain of bob@example.org"


@pytest.mark.parametrize("domain", ["two.example", "digits.example", "braces.example"])
def test_an_entry_that_is_no_action_is_a_failure_and_in_the_log(spec: str, domain: str) -> None:
    here = world()
    with pytest.raises(TempFail):
        here.verdict(Access(of="sender", tables=(spec,)), sender=f"x@{domain}")
    assert "table has a bad entry" in "".join(here.lines)


def test_files_may_leave_scores_and_tags_too(tmp_path: Path) -> None:
    table = tmp_path / "t"
    table.write_text("/^alice@/ tag friend\n/./ score -1\n")
    check = Access(of="sender", tables=(f"regexp:{table}",))
    assert world().verdict(check).tags == ("friend",)
    assert world().verdict(check, sender="bob@example.org").score == -1
    table.write_text("alice@example.org tag two words\n")
    assert list(Access(of="sender", tables=(f"hash:{table}",)).problems())


def test_a_store_that_cannot_be_asked_does_not_load(tmp_path: Path) -> None:
    said = complaints(f'[policyd.checks.access]\ntables = ["sql:{tmp_path}/nosuch.toml"]\n')
    assert "cannot be read" in said
