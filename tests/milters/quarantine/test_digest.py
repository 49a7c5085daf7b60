"""Digests: everything once to everybody whom it concerns, and nothing in them that a stranger could make of it."""

from __future__ import annotations

from email import message_from_bytes, policy
from pathlib import Path

from milters.quarantine.cabinet import Cabinet
from milters.quarantine.config import DigestConfig
from milters.quarantine.digest import MAX_LISTED, Told, entry, mail

NOW = 1_764_000_000.0


def test_the_mail_says_what_is_held_and_how_to_get_it() -> None:
    lines = entry("261124-9f3ac21b07", NOW, "s@example.net", "Prizes\r\nBcc: x", "spam: score")
    message = mail(DigestConfig(), "b@example.org", [lines], "mx.test", "30d", NOW)
    read = message_from_bytes(message.as_bytes(), policy=policy.SMTP)
    text = read.get_content()
    for wanted in (
        "261124-9f3ac21b07",
        "s@example.net",
        "Prizes??Bcc: x",
        "spam: score",
        "postmaster@mx.test",
        "30d",
    ):
        assert wanted in text
    assert read["To"] == "b@example.org"
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["Subject"] == "Messages held for b@example.org: 1"
    assert read["Bcc"] is None


def test_a_flood_is_cut() -> None:
    entries = [entry(f"261124-{n:010x}", NOW, "", "", "x") for n in range(MAX_LISTED + 7)]
    message = mail(DigestConfig(), "b@example.org", entries, "mx.test", "30d", NOW)
    assert "and 7 more" in message.get_content()


def test_the_memory_outlives_the_process_and_forgets_what_is_gone(tmp_path: Path) -> None:
    cabinet = Cabinet(tmp_path / "q")
    told = Told(cabinet)
    told.note(["1", "2"], "B@x")
    told.note(["2"], "c@x")
    again = Told(cabinet)
    assert again.knows("1", "b@X")
    assert not again.knows("1", "c@x")
    again.forget_all_but({"2"})
    last = Told(cabinet)
    assert last.knows("2", "b@x")
    assert not last.knows("1", "b@x")
    (tmp_path / "q/.digest").write_text("broken")
    assert not Told(cabinet).knows("2", "b@x")


def test_texts_that_cannot_be_filled_in_are_problems() -> None:
    problems = list(DigestConfig(text="{nosuch}", subject=" ", admin=("x",), users=("y",)).problems())
    for key in ("text: {nosuch}", "text: must have {list}", "subject: must be", "admin: 'x'", "users: 'y'"):
        assert any(found.startswith(key) for found in problems), key
