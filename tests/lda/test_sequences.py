"""The site's scripts and the user's, one after the other (`tests/lda/sequences.py`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from lda.envelope import Envelope
from lda.execute import Done
from lda.local import Job, deliver
from tamis.mail.message import Message
from tamis.verdict import Kind
from tests.lda.home import Home
from tests.lda.sequences import CASES, MESSAGE, RECIPIENT, REQUIRE, SENDER, Case, Played


def lay_out(case: Case, root: Path, active: Path) -> dict[str, object]:
    """Write the scripts; the options that name them."""
    options: dict[str, object] = {}
    for which in ("before", "after"):
        (root / which).mkdir()
        for index, source in enumerate(getattr(case, which)):
            (root / which / f"{index}.sieve").write_text(REQUIRE + source)
        options[which] = (root / which,)
    for which in ("default", "discard"):
        if (source := getattr(case, which)) is not None:
            (root / f"{which}.sieve").write_text(REQUIRE + source)
            options[which] = root / f"{which}.sieve"
    if case.personal is not None:
        active.write_text(REQUIRE + case.personal)
    return options


def stored(maildir: Path) -> tuple[str, ...]:
    """Folders with flags, sorted."""
    found = []
    for path in maildir.rglob("*"):
        if path.is_file() and path.parent.name in {"new", "cur"}:
            folder = str(path.parent.parent.relative_to(maildir)).removeprefix(".")
            flags = path.name.partition(":2,")[2]
            found.append(f"{folder}:{flags}" if flags else folder)
    return tuple(sorted(found))


def sent(log: Path) -> tuple[str, ...]:
    """Whom sendmail was called for."""
    lines = log.read_text().splitlines() if log.exists() else []
    calls = [line.split() for line in lines if line.startswith("CALLED ")]
    return tuple(sorted("reply" if call[-1] == SENDER else call[-1] for call in calls))


def play(home: Home, options: dict[str, object]) -> Done:
    envelope = Envelope(user="u@b", sender=SENDER, recipient=RECIPIENT)
    return deliver(Job(user=home.user, envelope=envelope, message=Message(MESSAGE)), home.settings(**options))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    made = Home(tmp_path / "home")
    made.sendmail.write_text(f'#!/bin/sh\necho "CALLED $@" >>{made.sent}\n')
    return made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_comes_of_a_message(home: Home, tmp_path: Path, case: Case) -> None:
    options = lay_out(case, tmp_path, home.path / ".dovecot.sieve")
    done = play(home, options)
    refused = ("reply",) if done.verdict.kind is Kind.REJECT else ()
    assert (
        Played(stored=stored(home.path / "Maildir"), sent=tuple(sorted(sent(home.sent) + refused)))
        == case.played
    )


def test_a_site_script_that_is_broken_is_told_to_the_admin_and_not_to_the_user(
    home: Home, tmp_path: Path
) -> None:
    done = play(
        home, lay_out(Case(name="", before=("nosuch;",), personal=""), tmp_path, home.path / ".dovecot.sieve")
    )
    assert "nosuch" in done.notes[0]
    assert not (home.path / ".dovecot.sieve.log").exists()
