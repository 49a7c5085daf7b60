"""The check access with tables in SQL and Redis, and entries that leave a score or a tag."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from policyd.checks.access import Access
from policyd.tables.keyed import Kind as Keys
from policyd.tables.keyed import keys_of
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


WISHES = [
    ("bob@ours.example|spam.example", "REJECT bob does not want it"),
    ("bob@ours.example|friend@spam.example", "OK"),
    ("ours.example|loud.example", "REJECT nobody wants it"),
    ("ann@ours.example|loud.example", "DUNNO"),
    ("bob@ours.example|<>", "REJECT no bounces"),
]


@pytest.fixture(params=["file", "sql"])
def wishes(request: pytest.FixtureRequest, tmp_path: Path) -> Access:
    if request.param == "file":
        (tmp_path / "wishes").write_text("".join(f"{key} {action}\n" for key, action in WISHES))
        return Access(of="recipient_and_sender", tables=(f"hash:{tmp_path}/wishes",))
    with closing(sqlite3.connect(tmp_path / "x.db")) as db, db:
        db.execute("CREATE TABLE wishes (owner TEXT, sender TEXT, action TEXT)")
        rows = [(*key.split("|"), action) for key, action in WISHES]
        db.executemany("INSERT INTO wishes VALUES (?, ?, ?)", rows)
    pair = "owner || '|' || sender"
    (tmp_path / "wishes.toml").write_text(
        f'url = "sqlite:///{tmp_path}/x.db"\nquery = "SELECT {pair}, action FROM wishes WHERE {pair} IN :keys"\n'
    )
    return Access(of="recipient_and_sender", tables=(f"sql:{tmp_path}/wishes.toml",))


@pytest.mark.parametrize(
    ("recipient", "sender", "action"),
    [
        ("bob@ours.example", "x@spam.example", "REJECT 5.7.1 bob does not want it"),
        ("BOB+news@Ours.example", "x@below.spam.example", "REJECT 5.7.1 bob does not want it"),
        ("bob@ours.example", "friend@spam.example", "DUNNO"),
        ("ann@ours.example", "x@spam.example", "DUNNO"),
        ("eve@ours.example", "x@loud.example", "REJECT 5.7.1 nobody wants it"),
        ("ann@ours.example", "x@loud.example", "DUNNO"),
        ("bob@ours.example", "", "REJECT 5.7.1 no bounces"),
        ("ann@ours.example", "", "DUNNO"),
    ],
)
def test_a_recipient_says_what_it_does_not_want(
    wishes: Access, recipient: str, sender: str, action: str
) -> None:
    assert world().action(wishes, recipient=recipient, sender=sender) == action


def test_a_sender_cannot_pose_as_another_pair(wishes: Access) -> None:
    for sender in ("|spam.example", "bob@ours.example|spam.example", "x|x@spam.example|y"):
        assert world().action(wishes, recipient="ann@ours.example", sender=sender) == "DUNNO"


def test_names_of_many_labels_make_no_question_of_thousands(wishes: Access) -> None:
    deep = ".".join("a" * 120)
    asked = list(keys_of(Keys.PAIR, f"bob@{deep}.ours.example|x@{deep}.loud.example"))
    assert len(asked) < 600
    recipient, sender = f"bob@{deep}.ours.example", f"x@{deep}.loud.example"
    assert "nobody wants it" in world().action(wishes, recipient=recipient, sender=sender)


@pytest.mark.parametrize("entry", ["bob@ours.example", "|spam.example", "bob@ours.example|"])
def test_a_pair_is_two(tmp_path: Path, entry: str) -> None:
    (tmp_path / "wishes").write_text(f"{entry} REJECT\n")
    check = Access(of="recipient_and_sender", tables=(f"hash:{tmp_path}/wishes",), asked_at=("rcpt", "data"))
    said = "\n".join(check.problems())
    assert "must be two" in said
    assert "recipient_and_sender is not known at data" in said


def test_logins_with_an_old_password_are_refused_by_a_query(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "m.db")) as db, db:
        db.execute("CREATE TABLE mailbox (username TEXT, changed TEXT)")
        db.execute("INSERT INTO mailbox VALUES ('old@ours.example', date('now', '-100 day'))")
        db.execute("INSERT INTO mailbox VALUES ('new@ours.example', date('now'))")
    old = "changed < date('now', '-90 day') AND username IN :keys"
    query = f"SELECT username, 'REJECT 5.7.1 Change it' FROM mailbox WHERE {old}"
    (tmp_path / "p.toml").write_text(f'url = "sqlite:///{tmp_path}/m.db"\nquery = "{query}"\n')
    check = Access(of="sasl_username", tables=(f"sql:{tmp_path}/p.toml",))
    assert world().action(check, sasl_username="Old@ours.example") == "REJECT 5.7.1 Change it"
    for login in ("new@ours.example", "", "nobody@ours.example"):
        assert world().action(check, sasl_username=login) == "DUNNO"


def test_a_store_that_cannot_be_asked_does_not_load(tmp_path: Path) -> None:
    said = complaints(f'[policyd.checks.access]\ntables = ["sql:{tmp_path}/nosuch.toml"]\n')
    assert "cannot be read" in said
