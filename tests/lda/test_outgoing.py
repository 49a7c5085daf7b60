"""Deliveries into a real Maildir that send something: copies of it (RFC 8580), and what is asked for it (RFC 6009)."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from lda.envelope import Envelope
from lda.execute import Done
from lda.local import Job, deliver
from lda.sieve.terms import Terms
from lda.submit import SubmitConfig
from tamis.config.schema import Duration
from tamis.errors import TempFail
from tamis.mail.message import Message
from tamis.verdict import Kind
from tests.lda.home import Home
from tests.lda.mta import mta

RAW = b"From: s@a.example\nTo: u@b\nSubject: hello\n\nbody\n"
VACATION = 'require ["vacation", "fcc", "mailbox", "imap4flags", "enotify", "redirect-dsn"];\n'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


def run(home: Home, script: str, submit: SubmitConfig | None = None, terms: Terms | None = None) -> Done:
    home.script(VACATION + script)
    home.calls += 1
    settings = home.settings()
    envelope = Envelope(
        user="u@b", sender="s@a.example", recipient="u@b", queue_id=f"Q{home.calls}", terms=terms or Terms()
    )
    settings = dataclasses.replace(settings, submit=submit or settings.submit)
    return deliver(Job(user=home.user, envelope=envelope, message=Message(RAW)), settings)


def over(server: str) -> SubmitConfig:
    return SubmitConfig(server=server, timeout=Duration(20.0))


def test_a_copy_of_the_reply_is_filed_as_it_was_sent(home: Home) -> None:
    done = run(home, 'vacation :fcc "Sent" :create :flags "\\\\Seen" "Away.";')
    assert done.actions == ["keep INBOX", "vacation s@a.example", "fcc Sent"]
    files = home.files()
    (copy,) = files[".Sent/cur"]
    assert copy in home.sent.read_bytes()
    assert not re.search(rb"(?m)^(?:Return-Path|Delivered-To):", copy)
    assert b"Away." in copy
    (name,) = (home.path / "Maildir/.Sent/cur").iterdir()
    assert name.name.endswith(":2,S")
    assert len(files["new"]) == 1


def test_a_copy_that_cannot_be_filed_is_noted_and_nothing_else_happens(home: Home) -> None:
    done = run(home, 'vacation :fcc "Sent" "Away.";')
    assert done.verdict.kind is Kind.PASS
    assert done.actions == ["keep INBOX", "vacation s@a.example"]
    assert len(done.notes) == 1
    assert "'Sent'" in done.notes[0]
    assert "mailbox does not exist" in done.notes[0]


def test_what_was_not_sent_is_not_filed(home: Home) -> None:
    home.sendmail.write_text("#!/bin/sh\nexit 75\n")
    done = run(home, 'vacation :fcc "Sent" :create "Away."; notify :fcc "Sent" :create "mailto:x@y";')
    assert done.actions == ["keep INBOX"]
    assert list(home.files()) == ["new"]
    assert len(done.notes) == 2


def test_what_is_sent_once_is_filed_once(home: Home) -> None:
    for _ in range(2):
        run(home, 'vacation :fcc "Sent" :create "Away.";')
    assert len(home.files()[".Sent/new"]) == 1


def test_a_redirect_over_smtp(home: Home) -> None:
    with mta() as peer:
        done = run(home, 'redirect :notify "never" "x@y.example";', over(peer.server), Terms(envid="E1"))
    assert done.actions == ["redirect x@y.example"]
    assert peer.said[1].startswith("MAIL FROM:<s@a.example> ")
    assert " ENVID=E1" in peer.said[1]
    assert peer.said[2] == "RCPT TO:<x@y.example> NOTIFY=NEVER"
    assert peer.messages[0].endswith(RAW.replace(b"\n", b"\r\n"))
    assert home.files() == {}


def test_a_target_that_the_mta_refuses_for_ever_means_that_the_message_is_kept(home: Home) -> None:
    with mta(RCPT="550 5.1.1 no such user") as peer:
        done = run(home, 'redirect "x@y.example";', over(peer.server))
    assert done.verdict.kind is Kind.PASS
    assert len(home.files()["new"]) == 1
    assert any("no such user" in action for action in done.actions)


def test_an_mta_that_is_busy_means_that_the_delivery_is_tried_again(home: Home) -> None:
    with mta(RCPT="450 4.2.1 later") as peer, pytest.raises(TempFail):
        run(home, 'redirect "x@y.example";', over(peer.server))
    assert home.files() == {}


def test_a_reply_that_is_refused_holds_up_nothing(home: Home) -> None:
    with mta(RCPT="550 no") as peer:
        done = run(home, 'vacation "Away."; notify "mailto:x@y.example";', over(peer.server))
    assert done.actions == ["keep INBOX"]
    assert [note.partition(" ")[0] for note in done.notes] == ["vacation", "notify"]
    assert sum(command.startswith("RCPT") for command in peer.said) == 2


def test_sendmail_is_told_what_is_asked_for_and_nothing_else(home: Home) -> None:
    words = ("-N{notify}", "-R{ret}", "-V{envid}", "-f", "{sender}", "--", "{recipient}")
    submit = SubmitConfig(command=(str(home.sendmail), *words))
    run(home, 'redirect "x@y.example";', submit, Terms(envid="E1"))
    run(home, 'redirect :notify "SUCCESS,DELAY" :ret "HDRS" "z@y.example";', submit, Terms(envid="E1"))
    run(home, 'redirect :ret "FULL" "v@y.example";', submit, Terms(envid="not printable\x7f"))
    assert re.findall(r"(?m)^-.*$", home.sent.read_text()) == [
        "-f s@a.example -- x@y.example",
        "-Nsuccess,delay -Rhdrs -VE1 -f s@a.example -- z@y.example",
        "-Rfull -f s@a.example -- v@y.example",
    ]
