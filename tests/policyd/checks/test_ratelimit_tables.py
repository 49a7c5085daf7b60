"""Other limits for some out of tables: files and SQL, asked once for all that a client may be known by."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from policyd.checks.ratelimit_overrides import Override
from tamis.errors import TempFail
from tamis.verdict import Kind
from tests.policyd.checks.test_ratelimit import ALICE, Desk, limit
from tests.policyd.checks.test_ratelimit_overrides import CAROL, DAVE, passes

ROWS = {
    "carol@example.net": "7/1h",
    "@example.net": "4/1h 100/day",
    "192.0.0.0/16": "3/1h",
    "192.0.2": "5/1h",
    "bot@example.org": "exempt",
    "few@example.org": "max_recipients=2",
    "wrong@example.org": "lots",
    "alice@example.org": "9/1h",
}
EVE = replace(ALICE, sasl_username="eve@example.com", client_address="192.0.2.9")


@pytest.fixture(params=["hash", "sql"])
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "hash":
        (tmp_path / "limits").write_text("".join(f"{key} {value}\n" for key, value in ROWS.items()))
        return f"hash:{tmp_path}/limits"
    with closing(sqlite3.connect(tmp_path / "x.db")) as db, db:
        db.execute("CREATE TABLE limits (k TEXT, v TEXT)")
        db.executemany("INSERT INTO limits VALUES (?, ?)", ROWS.items())
    (tmp_path / "t.toml").write_text(
        f'url = "sqlite:///{tmp_path}/x.db"\nquery = "SELECT k, v FROM limits WHERE k IN :keys"\n'
    )
    return f"sql:{tmp_path}/t.toml"


def test_the_most_specific_entry_holds(spec: str) -> None:
    check = limit("2/1h", tables=(spec,))
    desk = Desk()
    assert [passes(desk, check, txn) for txn in (CAROL, DAVE, EVE)] == [7, 4, 5]
    assert passes(desk, check, EVE, sasl_username="fay@example.com", client_address="192.0.3.1") == 3
    assert passes(desk, check, EVE, sasl_username="gil@example.com", client_address="203.0.113.1") == 2
    assert passes(desk, check, EVE, sasl_username="bot@example.org") == 10


def test_the_configuration_comes_before_the_tables(spec: str) -> None:
    check = limit("2/1h", tables=(spec,), overrides={"alice@example.org": Override(limits=("6/1h",))})
    assert passes(Desk(), check, ALICE) == 6


def test_what_a_client_may_choose_leads_to_no_other_limit(spec: str) -> None:
    check = limit("2/1h", tables=(spec,))
    claims = {
        "sender": "carol@example.net",
        "recipient": "carol@example.net",
        "helo_name": "carol@example.net",
    }
    stranger = replace(ALICE, sasl_username="x@example.com", client_address="203.0.113.1")
    assert passes(Desk(), check, stranger, **claims) == 2


def test_recipients_of_a_message_are_limited_by_a_table_too(spec: str) -> None:
    check = limit("100/1h", tables=(spec,))
    asked = [Desk().message(check, ALICE, sasl_username="few@example.org", recipient_count=n) for n in (2, 3)]
    assert asked == [Kind.PASS, Kind.REJECT]


def test_an_entry_that_is_no_limit_is_a_failure(spec: str) -> None:
    with pytest.raises(TempFail):
        Desk().message(limit("2/1h", tables=(spec,)), ALICE, sasl_username="wrong@example.org")


def test_bytes_keep_their_units(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("alice@example.org 1MiB/day\n")
    check = limit("1kB/day", cost="byte", stage="end_of_message", tables=(f"hash:{tmp_path}/t",))
    assert Desk().message(check, ALICE, size_bytes=1_000_000) is Kind.PASS
