"""A redirect ends somewhere: what would go in circles, or has been sent before, is kept instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from lda.forward import RedirectConfig
from tamis.config.schema import Duration
from tamis.errors import TempFail
from tests.lda.home import Home

RAW = b"From: s@a\nTo: u@b\nMessage-ID: <1@x>\n\nbody\n"
TO_X = 'redirect "x@y.example";'
BEFORE = "no redirect x@y.example: it has been sent there before"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


def sent(home: Home) -> list[bytes]:
    """The command lines of sendmail."""
    text = home.sent.read_bytes() if home.sent.exists() else b""
    return [line for line in text.splitlines() if line.startswith(b"-f ")]


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (b"X-Sieve-Redirected-From: u@b", "it has been redirected from here before"),
        (b"x-sieve-redirected-from:  U@B ", "it has been redirected from here before"),
        (b"Delivered-To: x@y.example", "it has been delivered there before"),
        (b"\n".join([b"Received: from a by b; now"] * 51), "it has come over too many hosts"),
        (b"X-Sieve-Redirected-From: v@b", ""),
        (b"Delivered-To: v@b", ""),
        (b"\n".join([b"Received: from a by b; now"] * 50), ""),
    ],
)
def test_what_goes_in_circles_is_kept(home: Home, field: bytes, reason: str) -> None:
    home.script(TO_X)
    actions = home.deliver(field + b"\n" + RAW).actions
    assert actions == (
        [f"no redirect x@y.example: {reason}", "keep INBOX"] if reason else ["redirect x@y.example"]
    )
    assert len(sent(home)) == (0 if reason else 1)


def test_two_users_who_redirect_to_each_other_get_the_message(home: Home) -> None:
    """What this user sends on carries the mark by which it is known when it comes back."""
    home.script(TO_X)
    home.deliver(RAW)
    back = home.sent.read_bytes().partition(b"\n")[2]
    assert home.deliver(back).actions[-1] == "keep INBOX"
    assert len(home.files()["new"]) == 1


def test_the_same_message_goes_to_the_same_address_once(home: Home) -> None:
    home.script(TO_X)
    assert home.deliver(RAW).actions == ["redirect x@y.example"]
    assert home.deliver(RAW).actions == [BEFORE, "keep INBOX"]
    assert home.deliver(RAW.replace(b"<1@x>", b"<2@x>")).actions == ["redirect x@y.example"]
    assert home.deliver(b"Resent-Message-ID: <3@x>\n" + RAW).actions == ["redirect x@y.example"]
    home.script('redirect "z@y.example";')
    assert home.deliver(RAW).actions == ["redirect z@y.example"]


def test_a_copy_that_is_not_sent_again_changes_nothing_else(home: Home) -> None:
    home.script('require "copy"; redirect :copy "x@y.example";')
    assert home.deliver(RAW).actions == ["keep INBOX", "redirect x@y.example"]
    assert home.deliver(RAW).actions == ["keep INBOX", BEFORE]


def test_a_message_without_a_name_is_never_the_same(home: Home) -> None:
    home.script(TO_X)
    for _ in range(2):
        assert home.deliver(b"From: s@a\n\nbody\n").actions == ["redirect x@y.example"]
    names = {line for line in home.sent.read_bytes().splitlines() if line.startswith(b"Message-ID: ")}
    assert len(names) == 2


def test_without_a_period_everything_is_sent(home: Home) -> None:
    home.script(TO_X)
    for _ in range(2):
        config = RedirectConfig(duplicate_period=Duration(0))
        assert home.deliver(RAW, redirect=config).actions == ["redirect x@y.example"]


def test_one_that_the_mta_did_not_take_was_not_sent(home: Home) -> None:
    home.script(TO_X)
    good = home.sendmail.read_text()
    home.sendmail.write_text("#!/bin/sh\nexit 75\n")
    with pytest.raises(TempFail):
        home.deliver(RAW)
    home.sendmail.write_text(good)
    assert home.deliver(RAW).actions == ["redirect x@y.example"]


def test_a_memory_that_cannot_be_used_holds_nothing_up(home: Home) -> None:
    home.script(TO_X)
    (home.path / ".tamis.seen").mkdir()
    done = home.deliver(RAW)
    assert done.actions == ["redirect x@y.example"]
    assert "cannot be remembered" in done.notes[0]
    assert len(sent(home)) == 1


def test_a_retry_of_the_same_delivery_is_not_taken_for_a_duplicate(home: Home) -> None:
    home.script(TO_X)
    for _ in range(2):
        home.deliver(RAW, queue_id="4XYZ12345")
    assert len(sent(home)) == 1
    assert home.files() == {}


@pytest.mark.parametrize(
    ("rule", "sender"),
    [
        ("sender", b"s@a"),
        ("recipient", b"u@b"),
        ("orig_recipient", b"o@b"),
        ("user_email", b"u@b"),
        ("postmaster", b"postmaster@mx"),
        ("<x@z.example>", b"x@z.example"),
        ("<>", b""),
    ],
)
def test_whose_a_redirected_message_is(home: Home, rule: str, sender: bytes) -> None:
    home.script(TO_X)
    home.deliver(RAW, redirect=RedirectConfig(envelope_from=rule))
    assert sent(home) == [b"-f " + sender + b" -- x@y.example"]


def test_what_pipe_has_put_on_top_stays_here(home: Home) -> None:
    """Else pipe(8), which knows its Delivered-To, would bounce the message when it comes back."""
    home.script(TO_X)
    home.deliver(b"Return-Path: <s@a>\nDelivered-To: u@b\n" + RAW)
    assert (
        home.sent.read_bytes()
        == b"-f s@a -- x@y.example\nX-Sieve: Tamis\nX-Sieve-Redirected-From: u@b\n" + RAW
    )


def test_a_duplicate_that_could_not_be_kept_is_kept_by_the_retry(home: Home) -> None:
    """What was not sent is not noted as done: else the retry would take it for sent, and the message would be lost."""
    home.script(TO_X)
    home.deliver(RAW, queue_id="4AAA11111")
    maildir = home.path / "Maildir"
    for name in ("new", "cur", "tmp"):
        (maildir / name).mkdir(parents=True, exist_ok=True)
    (maildir / "tmp").rmdir()
    (maildir / "tmp").write_text("in the way")
    with pytest.raises(TempFail):
        home.deliver(RAW, queue_id="4BBB22222")
    (maildir / "tmp").unlink()
    (maildir / "tmp").mkdir()
    assert home.deliver(RAW, queue_id="4BBB22222").actions == [BEFORE, "keep INBOX"]
    assert len(home.files()["new"]) == 1
