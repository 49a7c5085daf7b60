"""`tamis policy test`."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.tamis.cli.policy.desk import Desk

ROOT = Path(__file__).parents[4]

GOOD = """\
zone = "zone.yaml"
request = { client_address = "198.51.100.7", sender = "a@example.net", recipient = "b@example.org" }

[[case]]
name = "a stranger comes back"

[[case.step]]
action = "DEFER_IF_PERMIT 4.7.1 Greylisted*"
check = "greylist"
reason = "new"
checks = { spf = "reject:mfrom_fail", users = "pass" }

[[case.step]]
after = "10m"
action = "PREPEND X-Greylist: delayed 600 seconds*"
check = ""

[[case]]
name = "cases do not know of each other"
check = "greylist"
"""


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    made = Desk(tmp_path, capsys)
    assert made.config.exists()
    assert made.zone.exists()
    return made


def test_a_configuration_that_does_as_expected(desk: Desk) -> None:
    path = desk.file("mine.test.toml", GOOD)
    status, out, _ = desk.run("test", path)
    assert status == 0
    assert "ok      a stranger comes back" in out
    assert out.splitlines()[-1].startswith("2 cases in 1 files, all as expected")


def test_a_difference_shows_both_sides_and_what_each_check_said(desk: Desk) -> None:
    path = desk.file("mine.test.toml", GOOD.replace('"10m"', '"1m"'))
    status, out, _ = desk.run("test", path)
    assert status == 1
    assert "step 2, 1m after the one before: protocol_state=RCPT client_address=198.51.100.7" in out
    assert "- PREPEND X-Greylist: delayed 600 seconds*\n" in out
    assert "+ DEFER_IF_PERMIT 4.7.1 Greylisted, try again in 240 seconds\n" in out
    assert "checks: users=pass spf=reject:mfrom_fail greylist=defer:early" in out
    assert "ok      cases do not know of each other" in out


@pytest.mark.parametrize(
    "wrong",
    [
        'action = "DEFER_IF"',
        'action = "REJECT"',
        'check = ""',
        'check = "users"',
        'reason = "early"',
        "score = 1.0",
        'tags = ["x"]',
        'checks = { spf = "pass" }',
        'checks = { users = "-" }',
        'checks = { nobody = "pass" }',
    ],
)
def test_whatever_is_expected_is_compared(desk: Desk, wrong: str) -> None:
    head = GOOD[: GOOD.index("[[case]]")]
    assert desk.run("test", desk.file("a.test.toml", f'{head}[[case]]\nname = "x"\n{wrong}\n'))[0] == 1


def test_a_request_is_repeated_and_the_first_wrong_answer_named(desk: Desk) -> None:
    text = '[[case]]\nname = "x"\nrequest = { sasl_username = "alice" }\ntimes = 9\naction = "DUNNO"\n'
    status, out, _ = desk.run("test", desk.file("a.test.toml", text))
    assert (status, "request 4 of 9" in out) == (1, True)


def test_tap_json_and_junit_say_the_same(desk: Desk) -> None:
    path = desk.file("mine.test.toml", GOOD.replace('"10m"', '"1m"'))
    _, tap, _ = desk.run("test", "--tap", path)
    assert [line.partition(" - ")[0] for line in tap.splitlines() if "ok " in line] == ["not ok 1", "ok 2"]
    _, out, _ = desk.run("test", "--json", "--junit", desk.place / "report.xml", path)
    assert [test["failed"] for test in json.loads(out)[0]["tests"]] == [True, False]
    [suite] = ElementTree.parse(desk.place / "report.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[[case]]\nname = "x"\nacton = "DUNNO"\n', 'did you mean "action"?'),
        ('[[case]]\naction = "DUNNO"\n', "a case needs a name"),
        ('[[case]]\nname = "x"\nrequest = { protocol_state = "RCTP" }\n', "protocol_state 'RCTP' is none of"),
        ('[[case]]\nname = "x"\naction = "DUNNO"\n[[case.step]]\n', "stands in the steps"),
        ('start = "yesterday"\n[[case]]\nname = "x"\n', "'yesterday' is no time"),
        ('zone = "none.yaml"\n[[case]]\nname = "x"\n', "none.yaml"),
        ("", "there is none"),
    ],
)
def test_a_file_with_mistakes_fails_and_says_them(desk: Desk, text: str, complaint: str) -> None:
    status, out, _ = desk.run("test", desk.file("a.test.toml", text))
    assert (status, complaint in out) == (1, True)


def test_without_paths_the_files_beside_the_configuration_are_run(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.file("a.test.toml", GOOD)
    monkeypatch.setenv("TAMIS_CONFIG", str(desk.config))
    assert desk.run("test")[0] == 0
    assert desk.run("test", desk.place / "journal")[0] == 1


def test_the_example_configuration_does_what_the_cases_beside_it_say(desk: Desk) -> None:
    assert desk.run("test", ROOT / "contrib/tamis")[0] == 0


RESERVED = """\
[policyd.checks.users]
check = "ratelimit"
stage = "end_of_message"
reserve = true
limits = ["2/1h"]
"""


def test_each_request_is_another_message_but_for_those_with_one_instance(desk: Desk) -> None:
    desk.file("reserved.toml", RESERVED)
    path = desk.file(
        "mine.test.toml",
        """\
        config = "reserved.toml"
        request = { sasl_username = "alice", recipient = "b@example.net" }

        [[case]]
        name = "two messages hold all that there is"
        step = [{ times = 2, action = "DUNNO" }, { action = "DEFER_IF_PERMIT 4.7.1 Limit of 2/1h*" }]

        [[case]]
        name = "a repeated recipient of one message is one"
        request = { instance = "1" }
        step = [{ times = 5, action = "DUNNO" }]
        """,
    )
    status, out, _ = desk.run("test", path)
    assert (status, "2 cases in 1 files, all as expected" in out) == (0, True), out
