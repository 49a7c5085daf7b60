"""The admin's command: what it prints and how it ends, asked as an admin asks."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from tamis.journal import Journal
from tamis.log import Log

NOW = time.time()


def tamis(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tamis.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tamis.toml"
    path.write_text(
        f"""\
hostname = "mx.test"
[store]
url = "memory://"
[journal]
path = "{tmp_path}/journal"
[policyd]
listen = ["unix:{tmp_path}/policyd"]
user = "root"
group = "root"
[milter]
listen = "unix:{tmp_path}/milter"
user = "root"
group = "root"
[lda]
listen = []
handoff = "unix:{tmp_path}/none/lda.sock"
user = "nosuchuser"
"""
    )
    return path


def write(directory: Path, *records: dict[str, str | list[str]]) -> None:
    """Records as the programs write them, in this order."""
    now = count(NOW - 60, 0.01)
    journal = Journal(directory, 86400.0, Log.null(), lambda: next(now))
    for record in records:
        program = str(record.pop("program"))
        journal.append(program, record)
    journal.close()


MESSAGE: list[dict[str, str | list[str]]] = [
    {
        "program": "policyd",
        "stage": "RCPT",
        "instance": "a.1",
        "recipient": "b@example.net",
        "verdict": "pass",
    },
    {
        "program": "policyd",
        "stage": "RCPT",
        "instance": "z.9",
        "recipient": "c@example.net",
        "verdict": "defer",
    },
    {"program": "policyd", "stage": "DATA", "instance": "a.1", "queue_id": "4Q", "verdict": "pass"},
    {
        "program": "milter",
        "stage": "END-OF-MESSAGE",
        "queue_id": "4Q",
        "sender": "a@example.org",
        "verdict": "pass",
    },
    {
        "program": "lda",
        "queue_id": "4Q",
        "recipient": "b@example.net",
        "verdict": "pass",
        "actions": ["fileinto Lists"],
    },
]


def test_without_a_command_it_teaches_and_fails() -> None:
    done = tamis()
    assert done.returncode == 64
    for command in ("check", "doctor", "trace"):
        assert command in done.stderr


@pytest.mark.parametrize("command", ["check", "doctor", "trace"])
def test_every_command_explains_itself(command: str) -> None:
    done = tamis(command, "--help")
    assert done.returncode == 0
    assert "--json" in done.stdout


@pytest.mark.parametrize("wrong", [["--nosuch"], ["trace", "--nosuch"], ["nosuch"], ["check", "extra"]])
def test_a_wrong_call_is_64(wrong: list[str]) -> None:
    assert tamis(*wrong).returncode == 64


def test_check_asks_all_programs_and_says_each_problem_once(config: Path) -> None:
    assert tamis("check", "-c", config).returncode == 0
    config.write_text(config.read_text() + '[milter.checks.nosuch]\n[log]\nformat = "xml"\n[polcyd]\n')
    done = tamis("check", "-c", config, "--json")
    assert done.returncode == 78
    found = json.loads(done.stdout)
    assert [problem["key"] for problem in found] == ["milter.checks.nosuch", "log.format", "polcyd"]
    assert all(problem["line"] for problem in found)


def test_check_of_a_file_that_is_not_there_is_78(tmp_path: Path) -> None:
    done = tamis("check", "-c", tmp_path / "none.toml")
    assert done.returncode == 78
    assert "none.toml" in done.stderr


def test_doctor_finds_what_is_missing_and_says_what_to_do(config: Path) -> None:
    done = tamis("doctor", "-c", config, "--json")
    assert done.returncode == 1
    advice = {finding["text"]: finding["advice"] for finding in json.loads(done.stdout) if finding["advice"]}
    assert any("no user nosuchuser" in text for text in advice)
    assert any("/none for its socket does not exist" in text for text in advice)
    assert {"start tamis-policyd", "start tamis-milter"} <= set(advice.values())


def test_doctor_makes_nothing(config: Path) -> None:
    text = config.read_text().replace("memory://", f"sqlite://{config.parent}/state.db")
    config.write_text(text)
    before = sorted(config.parent.iterdir())
    tamis("doctor", "-c", config)
    assert sorted(config.parent.iterdir()) == before


def test_trace_tells_a_message_from_the_first_recipient_to_the_mailbox(config: Path) -> None:
    write(config.parent / "journal", *map(dict, MESSAGE))
    done = tamis("trace", "4Q", "-c", config)
    assert done.returncode == 0
    story = done.stdout.splitlines()
    assert story[0] == "4Q:"
    assert [line.split()[2] for line in story[1:]] == ["policyd", "policyd", "milter", "lda"]
    assert "fileinto Lists" in story[-1]


def test_trace_finds_by_recipient_and_prints_json(config: Path) -> None:
    write(config.parent / "journal", *map(dict, MESSAGE))
    done = tamis("trace", "--recipient", "C@example.net", "--journal", config.parent / "journal", "--json")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(record["program"], record["verdict"]) for record in records] == [("policyd", "defer")]


@pytest.mark.parametrize("wanted", ["<a.1@example.org>", "a.1@example.org"])
def test_trace_finds_by_message_id_all_that_belongs_to_it(config: Path, wanted: str) -> None:
    records = [dict(record) for record in MESSAGE]
    for record in records[-2:]:
        record["message_id"] = "<a.1@example.org>"
    other = {
        "program": "lda",
        "queue_id": "5R",
        "recipient": "b@example.net",
        "message_id": "<b@example.org>",
    }
    write(config.parent / "journal", *records, dict(other))
    done = tamis("trace", "--message-id", wanted, "-c", config)
    assert [line.split()[2] for line in done.stdout.splitlines()[1:]] == [
        "policyd",
        "policyd",
        "milter",
        "lda",
    ]
    assert "message_id=<a.1@example.org>" in done.stdout
    assert (
        tamis("trace", "--message-id", wanted, "--recipient", "c@example.net", "-c", config).returncode == 1
    )


def test_trace_tells_a_message_once_by_whatever_name_it_is_found(config: Path) -> None:
    """The recipient is in a record with the instance alone and in one with the queue id alone."""
    late = {"program": "policyd", "instance": "a.1", "recipient": "e@example.net", "verdict": "pass"}
    write(config.parent / "journal", *map(dict, MESSAGE), dict(late))
    done = tamis("trace", "--recipient", "b@example.net", "-c", config)
    assert [line for line in done.stdout.splitlines() if line.endswith(":")] == ["4Q:"]
    assert len(done.stdout.splitlines()) == 6


def test_trace_tells_what_no_queue_id_ties_to_a_message(config: Path) -> None:
    alone = {"program": "lda", "recipient": "d@example.net", "message_id": "<x@example.org>"}
    write(config.parent / "journal", *map(dict, MESSAGE), dict(alone), dict(alone))
    done = tamis("trace", "--message-id", "x@example.org", "-c", config)
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "without queue id:"
    assert len(done.stdout.splitlines()) == 3


def test_trace_tells_the_newest_messages_of_very_many(config: Path) -> None:
    many = [{"program": "lda", "queue_id": f"Q{number}", "sender": "a@example.org"} for number in range(300)]
    write(config.parent / "journal", *map(dict, many))
    done = tamis("trace", "--sender", "A@example.org", "-c", config)
    told = [line for line in done.stdout.splitlines() if line.endswith(":")]
    assert told == [f"Q{number}:" for number in range(200, 300)]


def test_trace_of_nothing_is_1_and_of_a_wrong_time_64(config: Path) -> None:
    write(config.parent / "journal", *map(dict, MESSAGE))
    assert tamis("trace", "nosuch", "-c", config).returncode == 1
    assert tamis("trace", "4Q", "--since", "tomorrow", "-c", config).returncode == 64
    assert tamis("trace", "-c", config).returncode == 64


def test_what_hostile_mail_put_into_the_journal_does_not_reach_the_terminal(config: Path) -> None:
    write(
        config.parent / "journal",
        {"program": "policyd", "queue_id": "4Q", "sender": "a\x1b[2J\r\nb", "verdict": "pass"},
    )
    assert tamis("trace", "4Q", "-c", config).stdout.replace("\n", "").isprintable()
