"""`tamis sieve apply` on a Maildir: what it says, what it does, and that no message is ever lost."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tamis.cli.sieve.apply_progress import Progress

COMMAND = [sys.executable, "-m", "tamis.cli", "sieve", "apply"]


class Mail:
    """A Maildir whose messages are known by number."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder("")

    def folder(self, name: str) -> Path:
        path = self.root / f".{name}" if name else self.root
        for inner in ("cur", "new", "tmp"):
            (path / inner).mkdir(parents=True, exist_ok=True)
        return path

    def add(
        self, number: int, subject: str, flags: str | None = "", *, fields: str = "", packed: bool = False
    ) -> Path:
        raw = (
            f"From: a@example.net\nSubject: {subject}\nMessage-ID: <{number}@x>\n{fields}\nHello.\n".encode()
        )
        name = f"{1_700_000_000 + number}.M{number:06}P1.host,S={len(raw)},W={len(raw) + raw.count(10)}"
        path = self.root / "new" / name if flags is None else self.root / "cur" / f"{name}:2,{flags}"
        path.write_bytes(gzip.compress(raw) if packed else raw)
        return path

    def find(self) -> dict[str, dict[int, str]]:
        """By folder: the number of each message and its letters."""
        found: dict[str, dict[int, str]] = {}
        for path in self.root.rglob("*"):
            if path.parent.name in ("cur", "new") and path.is_file():
                raw = path.read_bytes()
                raw = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
                number = re.search(rb"Message-ID: <(\d+)@x>", raw)
                folder = path.parent.parent
                name = "INBOX" if folder == self.root else folder.name[1:]
                assert number
                assert int(number[1]) not in found.get(name, {}), "twice in one folder"
                found.setdefault(name, {})[int(number[1])] = path.name.partition(":2,")[2]
        return found


@pytest.fixture
def mail(tmp_path: Path) -> Mail:
    return Mail(tmp_path / "Maildir")


def apply(mail: Mail, script: str, *flags: str) -> subprocess.CompletedProcess[str]:
    path = mail.root.parent / "rules.sieve"
    path.write_text(script)
    command = [*COMMAND, *flags, str(path), str(mail.root)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def counts(mail: Mail, script: str, *flags: str) -> dict[str, Any]:
    done = apply(mail, script, "--json", *flags)
    assert not done.stderr
    record: dict[str, Any] = json.loads(done.stdout)
    return record


MOVE = 'require "fileinto"; if header :contains "subject" "x" { fileinto "There"; }'


def test_without_run_nothing_changes(mail: Mail) -> None:
    for number in range(4):
        mail.add(number, "x" if number % 2 else "y", "S")
    before = sorted(path for path in mail.root.rglob("*"))
    done = apply(mail, MOVE, "--create")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "stays in INBOX        2",
        "-> There              2",
        "4 messages; nothing was changed (--run does it)",
    ]
    assert sorted(path for path in mail.root.rglob("*")) == before


def test_messages_move_with_their_flags_and_their_file(mail: Mail) -> None:
    seen, new = mail.add(1, "x", "FSa"), mail.add(2, "x", None)
    (mail.root / "dovecot-keywords").write_text("0 work\n")
    inodes = {seen.stat().st_ino, new.stat().st_ino}
    there = mail.folder("There")
    assert apply(mail, MOVE, "--run").returncode == 0
    assert mail.find() == {"There": {1: "FSa", 2: ""}}
    assert {path.stat().st_ino for path in there.glob("*/*")} == inodes
    assert (there / "dovecot-keywords").read_text() == "0 work\n"
    assert [path.parent.name for path in there.rglob("*P*") if ":2," not in path.name] == ["new"]


def test_letters_that_are_no_flags_of_imap_stay(mail: Mail) -> None:
    mail.add(1, "x", "PS")
    mail.add(2, "y", "P")
    mail.folder("There")
    apply(mail, f'require "imap4flags"; {MOVE} else {{ addflag "\\\\Seen"; }}', "--run")
    assert mail.find() == {"There": {1: "PS"}, "INBOX": {2: "PS"}}


def test_a_mailbox_that_is_missing_leaves_its_messages_where_they_are(mail: Mail) -> None:
    mail.add(1, "x")
    done = apply(mail, MOVE, "--run")
    assert done.returncode == 1
    assert "stays: no There" in done.stdout
    assert mail.find() == {"INBOX": {1: ""}}
    assert apply(mail, MOVE, "--run", "--create").returncode == 0
    assert mail.find() == {"There": {1: ""}}
    assert "There" in (mail.root / "subscriptions").read_text()


def test_keep_stays_with_the_flags_that_the_script_gives(mail: Mail) -> None:
    mail.add(1, "a", "RS")
    mail.add(2, "b", None)
    mail.add(3, "c", "S")
    script = (
        'require "imap4flags"; if header "subject" "a" { removeflag "\\\\Seen"; addflag "work"; keep; }'
        'elsif header "subject" "b" { keep :flags "\\\\Flagged"; }'
    )
    assert counts(mail, script, "--run")["reflagged"] == 2
    assert mail.find() == {"INBOX": {1: "Ra", 2: "F", 3: "S"}}
    assert (mail.root / "dovecot-keywords").read_text() == "0 work\n"


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ((), {"INBOX": {1: "S"}}),
        (("--discard-to", "Trash", "--create"), {"Trash": {1: "S"}}),
        (("--delete",), {}),
    ],
)
def test_discard_is_what_the_user_has_decided(mail: Mail, flags: tuple[str, ...], found: object) -> None:
    mail.add(1, "a", "S")
    assert counts(mail, "discard;", "--run", *flags)["discarded"] == 1
    assert mail.find() == found


@pytest.mark.parametrize(
    ("script", "undone"),
    [
        ('redirect "a@example.org";', "redirect"),
        ('redirect "a@example.org"; discard;', "redirect"),
        ('require "reject"; reject "no";', "reject"),
        ('require "vacation"; vacation :addresses "b@x.org" "away";', "vacation"),
    ],
)
def test_nothing_is_ever_sent_and_what_would_have_been_stays(mail: Mail, script: str, undone: str) -> None:
    mail.add(1, "a", fields="To: b@x.org\nReturn-Path: <c@x.org>\nDelivered-To: b@x.org\n")
    record = counts(mail, script, "--run", "--delete")
    assert record["not_done"] == {undone: 1}
    assert mail.find() == {"INBOX": {1: ""}}


def test_copies_are_made_once_however_often_it_runs(mail: Mail) -> None:
    mail.add(1, "a", "S")
    script = 'require ["fileinto", "copy"]; fileinto :copy "A"; fileinto :copy "B";'
    for _ in range(2):
        assert counts(mail, script, "--run", "--create")["copied"] == {"A": 1, "B": 1}
        assert mail.find() == {"INBOX": {1: "S"}, "A": {1: "S"}, "B": {1: "S"}}


def test_a_message_that_the_script_changes_is_written_anew_with_its_time(mail: Mail) -> None:
    path = mail.add(1, "a", "S")
    os.utime(path, (1_600_000_000, 1_600_000_000))
    mail.add(2, "x")
    script = (
        'require ["editheader", "fileinto"]; addheader "X-New" "1"; if header "subject" "x" { fileinto "A"; }'
    )
    assert counts(mail, script, "--run", "--create")["edited"] == 1
    assert mail.find() == {"INBOX": {1: "S"}, "A": {2: ""}}
    (kept,) = (mail.root / "cur").iterdir()
    assert b"X-New: 1\n" in kept.read_bytes()
    assert kept.stat().st_mtime == 1_600_000_000
    assert f",S={kept.stat().st_size}," in kept.name


def test_other_folders_can_be_sifted_and_keep_means_to_stay_there(mail: Mail) -> None:
    mail.folder("Lists")
    mail.add(1, "x", "S").rename(mail.root / ".Lists" / "cur" / "1700000001.M1P1.host,S=1:2,S")
    script = 'require "fileinto"; if header "subject" "y" { fileinto "INBOX"; } else { fileinto "Lists/"; }'
    record = counts(mail, script, "--run", "--folder", "Lists")
    assert (record["messages"], record["stays"]) == (1, 1)
    assert apply(mail, 'require "fileinto"; fileinto "INBOX";', "--run", "--folder", "Lists").returncode == 0
    assert mail.find() == {"INBOX": {1: "S"}}


def test_duplicates_within_the_mailbox_are_seen(mail: Mail) -> None:
    mail.add(1, "a", fields="X-Id: 1\n")
    mail.add(2, "a", fields="X-Id: 1\n")
    mail.add(3, "a", fields="X-Id: 2\n")
    record = counts(
        mail, 'require "duplicate"; if duplicate :header "x-id" { discard; }', "--run", "--delete"
    )
    assert record["discarded"] == 1
    assert mail.find() == {"INBOX": {1: "", 3: ""}}


def test_compressed_messages_are_read_and_move_as_they_are(mail: Mail) -> None:
    mail.add(1, "x", "S", packed=True)
    assert counts(mail, MOVE, "--run", "--create")["moved"] == {"There": 1}
    assert mail.find() == {"There": {1: "S"}}


def test_a_message_that_cannot_be_dealt_with_is_left_alone_and_said(mail: Mail) -> None:
    mail.add(1, "x")
    (mail.root / "cur" / "link:2,").symlink_to("/etc/passwd")
    mail.add(2, "fail")
    script = f'require "variables"; {MOVE} elsif header "subject" "fail" {{ fileinto "${{y}}"; }}'
    done = apply(mail, script, "--run", "--create")
    assert done.returncode == 1
    assert done.stdout.count("left alone: ") == 2
    (mail.root / "cur" / "link:2,").unlink()
    assert mail.find() == {"There": {1: ""}, "INBOX": {2: ""}}


def test_every_message_is_told_on_request(mail: Mail) -> None:
    mail.add(1, "=?utf-8?q?x_=1B[2J?=", "S")
    done = apply(mail, MOVE, "--verbose", "--create")
    assert "a@example.net: x ?[2J\n    -> There (\\Seen)\n" in done.stdout
    (detail,) = counts(mail, MOVE, "-v", "--create")["details"]
    assert detail["targets"] == [{"mailbox": "There", "flags": ["\\Seen"]}]


def test_many_messages_are_counted_by_several_processes_to_the_same_sum(mail: Mail) -> None:
    for number in range(1001):
        mail.add(number, "x" if number % 3 else "y", "S" if number % 2 else None)
    record = counts(mail, MOVE, "--create")
    assert (record["messages"], record["stays"], record["moved"]) == (1001, 334, {"There": 667})


def test_the_sites_names_and_scripts_are_used(mail: Mail, tmp_path: Path) -> None:
    mail.add(1, "x")
    mail.add(2, "y")
    mail.folder("Spamverdacht")
    (tmp_path / "inner.sieve").write_text(
        'require ["fileinto", "special-use"]; fileinto :specialuse "\\\\Junk" "J";'
    )
    config = tmp_path / "tamis.toml"
    config.write_text(f"""
        [lda]
        listen = ["unix:{tmp_path}/lmtp"]
        [lda.maildir]
        special_use = {{ Junk = "Spamverdacht" }}
        [lda.sieve]
        site = "{tmp_path}"
        not_offered = ["body"]
    """)
    script = 'require "include"; if header "subject" "x" { include :global "inner"; }'
    assert counts(mail, script, "--run", "-c", str(config))["moved"] == {"Spamverdacht": 1}
    assert mail.find() == {"INBOX": {2: ""}, "Spamverdacht": {1: ""}}
    assert apply(mail, 'require "body";', "-c", str(config)).returncode == 1
    config.write_text("nonsense = 1")
    assert apply(mail, "keep;", "-c", str(config)).returncode == 78


def test_folders_that_lie_in_each_other_are_those_of_the_site(mail: Mail, tmp_path: Path) -> None:
    mail.add(1, "x", "S")
    mail.add(2, "y", "S")
    for inner in ("cur", "new", "tmp"):
        (mail.root / "Lists" / "python" / inner).mkdir(parents=True)
    config = tmp_path / "tamis.toml"
    config.write_text(
        f'[lda]\nlisten = ["unix:{tmp_path}/lmtp"]\n[lda.maildir]\nlayout = "fs"\nseparator = "/"\n'
    )
    script = 'require "fileinto"; if header "subject" "x" { fileinto "Lists/python"; } else { fileinto "Lists/other"; }'
    record = counts(mail, script, "--run", "--create", "-c", str(config))
    assert record["moved"] == {"Lists/python": 1, "Lists/other": 1}
    assert [len(list((mail.root / "Lists" / name / "cur").iterdir())) for name in ("python", "other")] == [
        1,
        1,
    ]
    assert not (mail.root / "Lists" / "other" / "maildirfolder").exists()
    assert "Lists\tother" in (mail.root / "subscriptions").read_text()
    assert counts(mail, "keep;", "--folder", "Lists/other", "-c", str(config))["stays"] == 1


def test_mailboxes_are_found_by_their_identifier(mail: Mail) -> None:
    mail.add(1, "x")
    (mail.folder("There") / "dovecot-uidlist").write_text(f"3 V1 N1 G{'0a' * 16}\n")
    script = f'require ["fileinto", "mailboxid"]; fileinto :mailboxid "{"0a" * 16}" "Elsewhere";'
    assert counts(mail, script, "--run")["moved"] == {"There": 1}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_says_how_far_it_is_and_goes_away() -> None:
    terminal, plain = Terminal(), io.StringIO()
    with Progress(2000, terminal) as shown, Progress(2000, plain) as hidden:
        while not terminal.getvalue():
            shown(1000)
            hidden(1000)
    assert terminal.getvalue() == f"\r[{'#' * 15}{'.' * 15}] 1,000 of 2,000 messages\r\x1b[K"
    assert not plain.getvalue()


def test_killed_at_any_moment_no_message_is_lost_and_the_next_run_ends_the_work(mail: Mail) -> None:
    """SIGKILL, again and again, until a run comes to its end: each message is in one folder in the end."""
    total = 1500
    for number in range(total):
        mail.add(number, "x" if number % 4 else "y", "S")
    script = mail.root.parent / "rules.sieve"
    script.write_text(MOVE)
    command = [*COMMAND, "--run", "--create", str(script), str(mail.root)]
    for delay_s in (0.25, 0.3, 0.35, 0.4, 0.45):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + delay_s
        while process.poll() is None and time.monotonic() < deadline:
            os.sched_yield()
        process.kill()
        process.wait()
        found = mail.find()
        assert {number for box in found.values() for number in box} == set(range(total))
    assert subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0
    found = mail.find()
    assert Counter(number for box in found.values() for number in box) == dict.fromkeys(range(total), 1)
    assert set(found["There"]) == {number for number in range(total) if number % 4}


def test_an_interrupt_ends_it_in_good_order(mail: Mail) -> None:
    total = 3000
    for number in range(total):
        mail.add(number, "x", "S")
    script = mail.root.parent / "rules.sieve"
    script.write_text(MOVE)
    command = [*COMMAND, "--run", "--create", str(script), str(mail.root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    there = mail.root / ".There" / "cur"
    while process.poll() is None and not (there.is_dir() and any(there.iterdir())):
        os.sched_yield()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate()
    if process.returncode == 0:
        pytest.skip("it had come to its end before")
    assert process.returncode == 130
    assert "interrupted" in output
    assert Counter(n for box in mail.find().values() for n in box) == dict.fromkeys(range(total), 1)


def test_what_is_wrong_is_said_before_anything_is_done(mail: Mail, tmp_path: Path) -> None:
    mail.add(1, "x")
    assert apply(mail, "nonsense;", "--run").returncode == 1
    assert apply(mail, "keep;", "--folder", "None").returncode == 66
    assert apply(mail, "keep;", "--delete", "--discard-to", "Trash").returncode == 64
    assert apply(mail, "keep;", "--discard-to", "Inbox").returncode == 64
    script = str(tmp_path / "rules.sieve")
    for mailbox, status in (
        ("/nonexistent", 66),
        ("pop3://a@b/", 64),
        ("imaps://host/", 64),
        ("imaps://a:b@c/", 64),
    ):
        assert (
            subprocess.run([*COMMAND, script, mailbox], capture_output=True, check=False).returncode == status
        )
    assert mail.find() == {"INBOX": {1: ""}}
