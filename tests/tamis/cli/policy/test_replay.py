from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tamis.cli.policy.desk import MONDAY, STRANGER, USER, Desk


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def replay(desk: Desk, config: Path, *args: str | Path) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    """Exit status, the changes and the totals."""
    status, out, _ = desk.run("replay", "--json", "-c", config, "--dns", desk.zone, *args)
    *changes, totals = map(json.loads, out.splitlines())
    return status, changes, totals


def test_the_same_configuration_changes_nothing(desk: Desk) -> None:
    """The clock is the journal's: the limit is regained as it was then, and the stranger waited."""
    decided = desk.serve(USER, USER, USER, USER, STRANGER)
    decided += desk.serve(USER, STRANGER, clock_s=MONDAY + 1300)
    assert decided == ["", "", "", "users", "greylist", "", ""]
    status, changes, totals = replay(desk, desk.config)
    assert (status, changes, totals["requests"], totals["otherwise"]) == (0, [], 7, 0)


def test_each_changed_verdict_is_shown_and_counted(desk: Desk) -> None:
    desk.serve(USER, USER, USER, USER)
    status, [change], totals = replay(desk, desk.other)
    assert status == 1
    assert change["before"] == {"kind": "pass", "status": "", "check": "", "reason": ""}
    assert (change["after"]["kind"], change["after"]["check"]) == ("defer", "users")
    assert change["request"]["sasl_username"] == "alice"
    assert totals["changes"] == [{"before": "pass", "after": "defer", "check": "users", "requests": 1}]
    assert totals["otherwise"] == 1  # the fourth: refused by both, by another limit
    assert {(row["check"], row["verdict"]): (row["before"], row["after"]) for row in totals["decided"]} == {
        ("", "pass"): (3, 2),
        ("users", "defer"): (1, 2),
    }


def test_a_baseline_stands_in_for_what_was_decided(desk: Desk) -> None:
    """Whatever the store knew that day: two configurations from the same start differ by themselves alone."""
    desk.serve(USER, USER, USER, USER, USER)
    assert replay(desk, desk.other, "--baseline", desk.other)[:2] == (0, [])
    assert len(replay(desk, desk.other, "--baseline", desk.config)[1]) == 1


def test_only_requests_within_the_times_are_replayed(desk: Desk) -> None:
    desk.serve(USER, USER, USER, USER)
    since, until = "2026-01-05T12:00:01+00:00", "2026-01-05T12:00:02+00:00"
    status, _, totals = replay(desk, desk.other, "--since", since, "--until", until)
    assert (status, totals["requests"]) == (0, 2)


def test_state_begins_with_what_the_store_knows(desk: Desk) -> None:
    desk.serve(USER, USER)
    (desk.place / "journal2").mkdir()
    journal = next((desk.place / "journal").iterdir())
    assert replay(desk, desk.config, journal)[0] == 0
    assert replay(desk, desk.config, "--state", journal)[0] == 1  # one of three was left


def test_records_from_before_requests_were_kept_are_counted_as_such(desk: Desk) -> None:
    old = '{"time":%d,"program":"policyd","stage":"RCPT","client_address":"192.0.2.1","verdict":"pass"}\n'
    path = desk.file("old.jsonl", old % MONDAY)
    assert replay(desk, desk.config, path)[2]["partial"] == 1
    _, out, _ = desk.run("replay", "-q", "-c", desk.config, "--dns", desk.zone, path)
    assert "1 of them were recorded without HELO" in out


@pytest.mark.parametrize("name", ["empty.jsonl", "missing.jsonl"])
def test_a_journal_without_requests_is_an_error(desk: Desk, name: str) -> None:
    desk.file("empty.jsonl", '{"time":1.0,"program":"lda","user":"x"}\n')
    assert desk.run("replay", "-c", desk.config, "--dns", desk.zone, desk.place / name)[0] == 66


def test_people_get_a_line_for_each_change_and_a_table(desk: Desk) -> None:
    desk.serve(USER, USER, USER)
    _, out, _ = desk.run("replay", "-c", desk.other, "--dns", desk.zone)
    assert "pass -> defer by users (over_2/1h)  stage=RCPT" in out
    assert "1 verdicts have changed" in out
