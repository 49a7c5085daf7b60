from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tests.tamis.cli.policy.desk import STRANGER, USER, Desk


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def parts(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {part["label"]: part for part in told["checks"]}


FLAGS = ("--client", "198.51.100.7", "--sender", "a@example.net", "--recipient", "b@example.org")


def test_each_check_is_told_in_order_with_what_it_said_and_whether_it_was_obeyed(desk: Desk) -> None:
    [told] = desk.explain(*FLAGS)
    assert [part["label"] for part in told["checks"]] == ["users", "spf", "greylist"]
    spf = parts(told)["spf"]
    assert (spf["verdict"], spf["reason"], spf["mode"], spf["obeyed"]) == (
        "reject",
        "mfrom_fail",
        "shadow",
        False,
    )
    assert [call["arguments"]["name"] for call in spf["dns"]] == ["example.net"]
    assert told["check"] == "greylist"
    assert told["reply"] == "action=DEFER_IF_PERMIT 4.7.1 Greylisted, try again in 300 seconds"


def test_the_inputs_of_a_check_are_the_attributes_that_it_read(desk: Desk) -> None:
    [told] = desk.explain(*FLAGS)
    assert parts(told)["users"]["read"] == ["sasl_username"]
    assert {"client_address", "sender", "helo_name"} <= set(parts(told)["spf"]["read"])


def test_a_check_behind_the_one_that_decided_is_not_asked(desk: Desk) -> None:
    [*_, last] = desk.explain(
        "--sasl-username", "alice", *(word for n in "abcd" for word in ("--recipient", f"{n}@x"))
    )
    assert parts(last)["greylist"] == {
        "label": "greylist",
        "check": "greylist",
        "mode": "enforce",
        "on_error": "defer",
        "asked": False,
        "why": "users had decided",
    }


def test_a_check_of_another_stage_says_at_which_it_is_asked(desk: Desk) -> None:
    [told] = desk.explain(*FLAGS, "--stage", "DATA")
    assert parts(told)["users"]["why"] == "it is asked at RCPT"


def test_counters_are_those_of_the_store_before_and_after_and_stay_as_they_are(desk: Desk) -> None:
    desk.serve(USER, USER, clock_s=time.time())
    before = list(sqlite3.connect(desk.place / "state.db").iterdump())
    for _ in range(2):
        told = desk.explain("--sasl-username", "alice", "--recipient", "c@x", "--recipient", "d@x")
        charges = [parts(one)["users"]["store"][0] for one in told]
        left = [[charge[when]["levels"][0]["left"] for when in ("before", "after")] for charge in charges]
        assert left == [[1, 0], [0, 0]]
        assert [one["check"] for one in told] == ["", "users"]
    assert list(sqlite3.connect(desk.place / "state.db").iterdump()) == before


def test_a_store_that_does_not_exist_yet_is_not_made(desk: Desk) -> None:
    status, _, err = desk.run("explain", "-c", desk.config, "--dns", desk.zone, *FLAGS)
    assert (status, "nothing is counted so far" in err) == (0, True)
    assert not (desk.place / "state.db").exists()


def test_requests_come_from_a_file_as_postfix_sends_them(desk: Desk) -> None:
    lines = "request=smtpd_access_policy\n" + "".join(f"{name}={value}\n" for name, value in STRANGER.items())
    told = desk.explain(desk.file("request.txt", f"{lines}\n{lines}"))
    assert [one["request"]["sender"] for one in told] == ["a@example.net", "a@example.net"]
    [changed] = desk.explain(desk.file("request.txt", lines), "--sender", "", "-a", "policy_context=here")
    assert (changed["request"]["sender"], changed["request"]["policy_context"]) == ("", "here")


def test_requests_come_from_the_journal_with_all_their_attributes(desk: Desk) -> None:
    asked = {**STRANGER, "size": "4711", "encryption_protocol": "TLSv1.3", "policy_context": "submission"}
    desk.serve(asked, {**STRANGER, "instance": "other"}, clock_s=time.time())
    [told] = desk.explain("--instance", "1.2.3")
    assert told["request"] == asked


def test_text_has_a_line_for_everything_and_no_colour_in_a_pipe(desk: Desk) -> None:
    _, out, _ = desk.run("explain", "-c", desk.config, "--dns", desk.zone, "--sasl-username", "alice", *FLAGS)
    assert "charge ratelimit:" in out
    assert "3/1h 3 left -> 2" in out
    assert out.rstrip().endswith("action=DUNNO")
    assert "\x1b" not in out


def test_hostile_values_stay_on_their_line(desk: Desk) -> None:
    raw = b"protocol_state=RCPT\nsender=\xff\x1b[31m@x\nrecipient=b@example.org\n\n"
    path = desk.place / "request.txt"
    path.write_bytes(raw)
    _, out, _ = desk.run("explain", "-c", desk.config, "--dns", desk.zone, path)
    assert "\x1b" not in out
    assert r"sender=\xff\x1b[31m@x" in out
    status, out, _ = desk.run("explain", "--json", "-c", desk.config, "--dns", desk.zone, path)
    assert (status, json.loads(out)["verdict"]) == (0, "pass")


@pytest.mark.parametrize(("text", "status"), [("no equals sign\n", 65), ("", 66)])
def test_a_file_without_requests_is_an_error(desk: Desk, text: str, status: int) -> None:
    assert desk.run("explain", "-c", desk.config, "--dns", desk.zone, desk.file("x", text))[0] == status


def test_nothing_to_explain_is_wrong_usage(desk: Desk) -> None:
    assert desk.run("explain", "-c", desk.config, "--dns", desk.zone)[0] == 64


def test_a_state_that_postfix_has_not_is_wrong_usage(desk: Desk) -> None:
    status, _, err = desk.run("explain", "-c", desk.config, "--stage", "RCTP", "--client", "192.0.2.1")
    assert (status, "RCPT" in err) == (64, True)


def test_nobody_is_told_of_an_account_that_misbehaves_in_a_rehearsal(desk: Desk) -> None:
    from policyd.rehearsal.judge import configuration

    path = desk.file(
        "loud.toml",
        '[policyd.checks.outbound]\nnotices = { admin = ["postmaster@example.org"], webhook = "https://x.example/" }\n',
    )
    [outbound] = configuration(path).checks
    notices = outbound.check.notices  # type: ignore[attr-defined]
    assert (notices.admin, notices.webhook, notices.user) == ((), "", "")


def test_the_recipients_of_flags_are_those_of_one_message(desk: Desk) -> None:
    config = desk.file(
        "messages.toml", '[policyd.checks.users]\ncheck = "ratelimit"\ncost = "message"\nlimits = ["1/1h"]\n'
    )
    flags = ("--sasl-username", "alice", "--recipient", "b@x", "--recipient", "c@x")
    _, out, _ = desk.run("explain", "-c", config, "--dns", desk.zone, *flags)
    assert out.count("action=DUNNO") == 2
    assert "defer" not in out.replace("on_error = defer", "")


def test_a_limit_of_the_calendar_is_shown_as_one(desk: Desk) -> None:
    config = desk.file("days.toml", '[policyd.checks.users]\ncheck = "ratelimit"\nlimits = ["50/day"]\n')
    flags = ("--sasl-username", "alice", "--recipient", "b@x", "--now", "2026-12-24T18:00")
    _, out, _ = desk.run("explain", "-c", config, "--dns", desk.zone, *flags)
    assert "50 until 2026-12-25 00:00 UTC: 50 left -> 49" in out
