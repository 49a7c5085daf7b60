"""Keywords get letters that Dovecot knows; whoever cannot have one is stored without."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lda import keywords
from lda.copies import Wanted
from lda.keywords import assign
from lda.maildir import Maildir

LISTS = [
    (b"", ("Work",), b"0 Work\n", "a", ()),
    (b"0 Work\n1 Home\n", ("home", "WORK"), b"0 Work\n1 Home\n", "ab", ()),
    (b"0 Work\n3 Home\n", ("New",), b"0 Work\n3 Home\n4 New\n", "e", ()),
    (b"0 Work", ("New",), b"0 Work\n1 New\n", "b", ()),
    (b"25 z\n", ("New", "z"), b"25 z\n", "z", ("New",)),
    (b"garbage\n\n9 ok\nx y\n", ("ok",), b"garbage\n\n9 ok\nx y\n", "j", ()),
    (
        b"",
        ("a b", "(", "x" * 51, "ü", "a\nb", "\\x", "]"),
        b"",
        "",
        ("a b", "(", "x" * 51, "ü", "a\nb", "\\x", "]"),
    ),
]


@pytest.mark.parametrize(("listed", "wanted", "after", "letters", "left"), LISTS)
def test_letters(
    listed: bytes, wanted: tuple[str, ...], after: bytes, letters: str, left: tuple[str, ...]
) -> None:
    assert assign(listed, wanted) == (after, letters, left)


@given(st.lists(st.lists(st.text("abcdXYZ$", min_size=1, max_size=3), max_size=5), max_size=30))
def test_no_letter_ever_changes_its_meaning(turns: list[list[str]]) -> None:
    listed, meaning = b"", dict[str, str]()
    for wanted in turns:
        listed, letters, left = assign(listed, tuple(wanted))
        lines = dict(line.decode().split(" ", 1) for line in listed.splitlines())
        now = {ascii_lowercase[int(number)]: name for number, name in lines.items()}
        assert meaning.items() <= now.items()
        meaning = now
        assert {now[letter].lower() for letter in letters} == {w.lower() for w in wanted if w not in left}


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def maildir(tmp_path: Path, notes: list[str]) -> Maildir:
    return Maildir(tmp_path, "mx", tell=notes.append)


def deliver(maildir: Maildir, *words: str, flags: str = "") -> str:
    with maildir.stage("", b"", b"x\n", Wanted(keywords=words, flags=flags)) as copy:
        copy.commit()
    assert not (maildir.root / "dovecot-uidlist.lock").exists()
    return copy.name.partition(":")[2]


def test_names_have_the_letters_after_the_flags(maildir: Maildir, notes: list[str]) -> None:
    assert deliver(maildir, "Work", "Home", flags="FS") == "2,FSab"
    assert deliver(maildir, "Home") == "2,b"
    assert len(list((maildir.root / "cur").iterdir())) == 2
    assert notes == []


def test_each_change_of_the_file_is_a_second_later(maildir: Maildir) -> None:
    """Dovecot compares whole seconds; a change within one would be missed."""
    stamps = []
    for number in range(3):
        deliver(maildir, f"k{number}")
        stamps.append((maildir.root / "dovecot-keywords").stat().st_mtime)
    assert stamps == sorted(set(map(float, map(int, stamps))))


class TestALock:
    def test_of_somebody_alive_is_respected(
        self, maildir: Maildir, notes: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keywords, "_WAIT_S", 0.1)
        lock = maildir.root / "dovecot-uidlist.lock"
        lock.write_text(f"{os.getpid()}:{os.uname().nodename}")
        with maildir.stage("", b"", b"x\n", Wanted(keywords=("Work",))) as copy:
            copy.commit()
        assert copy.name.endswith(":2,")
        assert lock.exists()
        assert notes == ["stored without the keywords Work: the folder is locked by somebody else"]

    @pytest.mark.parametrize("kind", ["dead", "old"])
    def test_that_was_left_behind_is_taken_over(self, maildir: Maildir, notes: list[str], kind: str) -> None:
        with subprocess.Popen(["/bin/true"]) as gone:
            pass
        lock = maildir.root / "dovecot-uidlist.lock"
        pid = gone.pid if kind == "dead" else os.getpid()
        lock.write_text(f"{pid}:{os.uname().nodename}")
        stamp = time.time() - (5 if kind == "dead" else 130)
        os.utime(lock, (stamp, stamp))
        assert deliver(maildir, "Work") == "2,a"
        assert notes == []

    def test_of_another_host_counts_as_alive(self, maildir: Maildir, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keywords, "_WAIT_S", 0.1)
        lock = maildir.root / "dovecot-uidlist.lock"
        lock.write_text("999999:elsewhere")
        os.utime(lock, (time.time() - 60,) * 2)
        with maildir.stage("", b"", b"x\n", Wanted(keywords=("Work",))) as copy:
            copy.commit()
        assert lock.exists()


@pytest.mark.parametrize("name", ["dovecot-keywords", "dovecot-keywords.lock"])
def test_a_link_is_not_followed_and_stops_no_mail(
    maildir: Maildir, notes: list[str], tmp_path: Path, name: str
) -> None:
    (tmp_path / "other").write_text("secret\n")
    (maildir.root / name).symlink_to(tmp_path / "other")
    assert deliver(maildir, "Work") == "2,"
    assert (tmp_path / "other").read_text() == "secret\n"
    assert notes
