"""`tamis sieve explain`, asked as somebody asks whose mail went astray."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "tamis.cli", "sieve", "explain"]

MESSAGE = """\
Return-Path: <bob@example.net>
Delivered-To: alice@example.org
From: "Bob" <bob@example.net>
To: alice@example.org
Subject: The big summer sale
X-Score: 3
Date: Mon, 23 Nov 2026 10:00:00 +0100
Message-ID: <1@example.net>

Hello, there is a sale.
"""


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "message.eml"
    path.write_text(MESSAGE)
    return path


def explain(letter: Path, script: str, *flags: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, flags), "-", str(letter)]
    return subprocess.run(command, input=script, capture_output=True, text=True, check=False)


def told(letter: Path, script: str, *flags: object) -> dict[str, Any]:
    done = explain(letter, script, "--json", *flags)
    assert not done.stderr
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def evaluations(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [test for step in record["steps"] for test in step["tests"]]


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ('header :contains "subject" ["offer", "sale"]', '"The big summer sale" contains "sale"'),
        ('header :is "subject" "sale"', '"The big summer sale" is not "sale" (i;ascii-casemap)'),
        ('header :is "x-none" "a"', "false: x-none: missing"),
        ('header :is ["subject", "x-score"] ["a", "b"]', 'none of "The big summer sale" or "3"'),
        ('address :localpart :is "from" "bob"', '"bob" is "bob"'),
        ('envelope :domain "from" "example.com"', '"example.net" is not "example.com"'),
        ('exists ["subject", "x-none"]', "subject: there; x-none: missing"),
        ("size :over 1K", "size: 256 bytes; limit: 1024 bytes"),
        ('body :contains "a sale"', 'contains "a sale"'),
        ('date :originalzone "date" "hour" "11"', '"10" is not "11"'),
        ('currentdate "year" "2027"', '"2027" is "2027"'),
        ('string :matches "a-b" "*-?"', '${0} = "a-b", ${1} = "a", ${2} = "b"'),
        (
            'header :value "ge" :comparator "i;ascii-numeric" "x-score" "5"',
            '"3" is not ge "5" (i;ascii-numeric)',
        ),
        ('address :count "gt" "to" "1"', 'the number is not gt "1"'),
        ('header :regex "subject" "s[au]+le"', 'matches "s[au]+le"'),
        ('mailboxexists "Lists"', '"Lists" exists'),
        ('environment "vnd.x" "a"', "vnd.x: not known here"),
        ("duplicate", "no message like this has been here"),
    ],
)
def test_each_test_tells_what_it_has_compared(letter: Path, test: str, said: str) -> None:
    requires = (
        'require ["envelope", "body", "date", "variables", "relational", "comparator-i;ascii-numeric", "regex",'
        '"mailbox", "duplicate", "environment"];'
    )
    done = explain(letter, f"{requires}\nif {test} {{ keep; }}\n", "--now", "2027-01-01T12:00")
    assert done.returncode == 0
    expected = said.replace(" or ", ", ") if said.startswith("none of") else said
    assert expected in done.stdout


def test_it_says_where_each_action_stands_and_why_the_message_is_not_kept(letter: Path) -> None:
    script = (
        'require ["fileinto", "imap4flags", "copy"];\naddflag "\\\\Seen";\n'
        'fileinto "Lists/foo";\nredirect :copy "d@e.f";\n'
    )
    end = explain(letter, script).stdout.partition("what would happen:\n")[2].splitlines()
    assert end == [
        '  stored in "Lists/foo", flags \\Seen (fileinto, line 3)',
        '  redirected to "d@e.f" (line 4)',
        "  not kept, because fileinto (line 3) takes the place of the implicit keep",
    ]


@pytest.mark.parametrize(
    ("script", "end"),
    [
        ("", 'kept in "INBOX", because no action took the place of the implicit keep'),
        ("stop;", 'kept in "INBOX", because no action took the place of the implicit keep'),
        ("discard;", "discarded, because discard (line 1) takes the place of the implicit keep"),
        ("keep;", "kept, because the script says keep (line 1)"),
        ('require "reject"; reject "no";', "not kept, because reject (line 1)"),
        (
            'require ["fileinto", "variables"]; discard; fileinto "${x}";',
            'kept in "INBOX", because the script failed, and what it had decided is taken back',
        ),
    ],
)
def test_the_end_says_why(letter: Path, script: str, end: str) -> None:
    assert end in explain(letter, script).stdout.splitlines()[-1]


def test_a_script_that_fails_while_it_runs_is_a_failure(letter: Path) -> None:
    done = explain(letter, 'require ["fileinto", "variables"];\nfileinto "${x}";')
    assert done.returncode == 1
    assert "the script fails: invalid folder name" in done.stdout


def test_an_if_that_is_not_taken_shows_the_branch_that_is(letter: Path) -> None:
    record = told(letter, 'if header "subject" "a" {\n discard;\n} elsif true {\n keep;\n} else {\n stop;\n}')
    assert [(step["command"], step["line"], step["taken"]) for step in record["steps"]] == [
        ("if", 1, False),
        ("elsif", 3, True),
        ("keep", 4, None),
    ]


def test_nested_tests_are_told_one_by_one(letter: Path) -> None:
    record = told(letter, 'if not anyof (false, header :contains "subject" "sale", true) { discard; }')
    assert [(test["test"], test["depth"], test["result"]) for test in evaluations(record)] == [
        ("not", 0, False),
        ("anyof", 1, True),
        ("false", 2, False),
        ("header", 2, True),
    ]
    assert evaluations(record)[3]["matched"] == {"value": "The big summer sale", "key": "sale"}


def test_variables_flags_and_changes_of_the_message_are_told(letter: Path) -> None:
    script = (
        'require ["variables", "imap4flags", "editheader", "include"]; global "g"; set :upper "a" "x";'
        'set "g" "1"; addflag "a" "b"; addflag "\\\\Seen"; addheader "X-A" "b";'
    )
    steps = told(letter, script)["steps"]
    assert [step["variables"] for step in steps] == [{"a": "X"}, {"global.g": "1"}, {"a": "X b"}, {}, {}]
    assert [step["flags"] for step in steps] == [None, None, None, ["\\Seen"], None]
    assert [step["edited"] for step in steps] == [False, False, False, False, True]


def test_loops_and_included_scripts_are_followed(letter: Path, tmp_path: Path) -> None:
    (tmp_path / "inner.sieve").write_text('require ["variables", "include"];\nset "x" "1";\nreturn;\n')
    script = 'require ["include", "foreverypart"]; include "inner"; include :optional "none"; foreverypart { break; }'
    steps = told(letter, script, "--personal", tmp_path)["steps"]
    assert [(step["command"], step["script"], step["level"]) for step in steps] == [
        ("include", "-", 0),
        ("set", "inner", 1),
        ("return", "inner", 1),
        ("include", "-", 0),
        ("foreverypart", "-", 0),
        ("break", "-", 0),
    ]
    assert steps[3]["note"] == "there is no personal script 'none'"
    assert steps[4]["note"] == "part 1 of 1: text/plain"


def test_a_question_is_told_once(letter: Path) -> None:
    script = (
        'require ["mailbox", "variables"]; if allof (string "" "", mailboxexists ["a", "b"]) { set "x" "y"; }'
    )
    record = told(letter, script)
    assert [test["asked"] for test in evaluations(record)] == [[], [], ['"a" exists', '"b" exists']]
    assert len(record["steps"]) == 2


def test_mailboxes_are_those_of_a_maildir(letter: Path, tmp_path: Path) -> None:
    for name in ("cur", "new", "tmp", ".there/cur", ".there/new", ".there/tmp"):
        (tmp_path / "Maildir" / name).mkdir(parents=True)
    script = 'require ["fileinto", "mailbox"]; if mailboxexists "there" { fileinto "missing"; }'
    done = explain(letter, script, "--maildir", tmp_path / "Maildir")
    assert (
        "the script fails: failed to store into mailbox 'missing': the mailbox does not exist" in done.stdout
    )
    assert 'kept in "INBOX", because the script failed' in done.stdout


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tamis.toml"
    (tmp_path / "bin").mkdir()
    path.write_text(f"""
        hostname = "mx.example.org"
        [lda]
        listen = ["unix:{tmp_path}/lmtp"]
        [lda.users]
        recipient_delimiter = "-"
        [lda.maildir]
        special_use = {{ Junk = "Spamverdacht" }}
        [lda.sieve]
        site = "{tmp_path}"
        not_offered = ["body"]
        environment = {{ color = "blue" }}
        [lda.sieve.limits]
        actions = 2
        [lda.sieve.programs]
        execute = "{tmp_path}/bin"
        pipe = "{tmp_path}/bin"
        [lda.sieve.spamtest]
        status_header = "X-Score"
        max_value = 5
    """)
    return path


@pytest.mark.parametrize(
    ("requires", "test"),
    [
        ('"special-use"', 'specialuse_exists "Spamverdacht" "\\\\Junk"'),
        ('["envelope", "subaddress"]', 'envelope :detail "to" "news"'),
        ('["vnd.dovecot.environment", "environment"]', 'environment "vnd.dovecot.config.color" "blue"'),
        ('["environment"]', 'environment "host" "mx.example.org"'),
        ('["spamtestplus", "relational", "comparator-i;ascii-numeric"]', 'spamtest :percent "60"'),
    ],
)
def test_scripts_see_what_the_site_has(letter: Path, config: Path, requires: str, test: str) -> None:
    script = f"require {requires}; if {test} {{ keep; }}"
    record = told(letter, script, "-c", config, "-r", "alice-news@example.org")
    assert record["steps"][0]["taken"] is True
    assert told(letter, script)["steps"][0]["taken"] is False


def test_the_sites_limits_and_extensions_hold(letter: Path, config: Path) -> None:
    script = 'require ["fileinto"]; fileinto "a"; fileinto "b"; fileinto "c";'
    assert explain(letter, script).returncode == 0
    assert "the script fails" in explain(letter, script, "-c", config).stdout
    assert explain(letter, 'require "body";').returncode == 0
    assert explain(letter, 'require "body";', "-c", config).returncode == 1


def test_scripts_of_the_site_are_included(letter: Path, config: Path) -> None:
    (config.parent / "all.sieve").write_text("discard;")
    steps = told(letter, 'require "include"; include :global "all";', "-c", config)["steps"]
    assert [step["command"] for step in steps] == ["include", "discard"]


def test_programs_are_not_run_and_that_is_said(letter: Path, config: Path) -> None:
    program = config.parent / "bin" / "x"
    program.write_text(f"#!/bin/sh\ntouch {config.parent}/was-run\n")
    program.chmod(0o755)
    requires = 'require ["vnd.dovecot.execute", "vnd.dovecot.pipe"];'
    script = requires + 'if execute "x" { stop; } execute "x"; pipe "x" "a b";'
    done = explain(letter, script, "-c", config)
    assert done.stdout.count('the program "x" is not run here; taken as one that has failed') == 2
    assert 'passed to the program "x" with "a b" (line 1)' in done.stdout
    assert "not kept, because pipe (line 1) takes the place of the implicit keep" in done.stdout
    assert not (config.parent / "was-run").exists()


def test_a_bad_configuration_is_told(letter: Path, config: Path) -> None:
    config.write_text("[lda.sieve.limits]\nnonsense = 1\n")
    done = explain(letter, "keep;", "-c", config)
    assert (done.returncode, "nonsense" in done.stderr) == (78, True)


def test_what_a_command_asks_is_told(letter: Path) -> None:
    script = 'require ["fileinto", "special-use", "mailboxid"]; fileinto :mailboxid "F1" "a"; '
    done = explain(letter, script + 'fileinto :specialuse "\\\\Sent" "b";')
    assert 'no mailbox is known to have the identifier "F1"' in done.stdout
    assert 'the mailbox with the special use \\sent is "Sent"\n' in done.stdout


def test_envelope_and_time_can_be_given(letter: Path) -> None:
    record = told(letter, "keep;")
    assert (record["envelope"]["sender"], record["envelope"]["recipient"]) == (
        "bob@example.net",
        "alice@example.org",
    )
    record = told(
        letter, "keep;", "-f", "", "-r", "<x@y.z>", "-a", "o@y.z", "--now", "2026-12-24T18:00+01:00"
    )
    assert record["envelope"] == {"sender": "", "recipient": "x@y.z", "original_recipient": "o@y.z"}
    assert record["now"].startswith("2026-12-24T")


def test_errors_of_the_script_are_those_of_check(letter: Path) -> None:
    script = 'fileinto "a";\nkeeep;\n'
    check = [sys.executable, "-m", "tamis.cli", "sieve", "check", "-"]
    checked = subprocess.run(check, input=script, capture_output=True, text=True, check=False)
    done = explain(letter, script)
    assert (done.returncode, done.stdout) == (1, checked.stdout)
    checked = subprocess.run([*check, "--json"], input=script, capture_output=True, text=True, check=False)
    assert told(letter, script)["findings"] == json.loads(checked.stdout)


def test_what_is_not_there_is_said(letter: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, str(tmp_path / "none"), str(letter)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 66
    assert "No such file" in done.stderr
    assert explain(letter, "keep;", "--maildir", tmp_path / "none").returncode == 66
    done = subprocess.run([*COMMAND, "-", "-"], capture_output=True, text=True, check=False)
    assert done.returncode == 64


def test_long_output_is_bounded_and_harmless(tmp_path: Path) -> None:
    """Neither a message nor a script can fill or command a terminal."""
    path = tmp_path / "m"
    path.write_bytes(
        b"Subject: " + b"\x1b[2J" * 10_000 + b"\nContent-Type: text/plain\n\n" + b"word " * 200_000
    )
    script = (
        'require "body";\n'
        + 'if header :contains "subject" "x" { discard; }\nif body :contains "zzz" {}\n' * 600
    )
    done = explain(path, script)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "more commands" in done.stdout
    assert len(done.stdout) < 300_000


def test_colour_is_for_terminals(letter: Path, tmp_path: Path) -> None:
    assert "\x1b" not in explain(letter, "if true { keep; }").stdout
    (tmp_path / "s").write_text("if true { keep; }")
    master, slave = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {"TERM": "xterm"}
    subprocess.run([*COMMAND, str(tmp_path / "s"), str(letter)], stdout=slave, env=environment, check=True)
    os.close(slave)
    assert b"\x1b[32mtrue" in os.read(master, 10_000)
    os.close(master)
