"""What is remembered between deliveries is what would be found anew."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lda.memo import MAX_USERS, Memo
from lda.script_store import Known, Unusable, read_own
from lda.users import User

LONG_AGO = time.time() - 1000


def user(home: Path) -> User:
    return User(name="u@b", home=home, uid=os.getuid(), gid=os.getgid())


def write(path: Path, text: bytes) -> None:
    """A file that nobody has changed for long. Its ctime cannot be set, so the clock of the code is asked instead."""
    path.write_bytes(text)
    os.utime(path, (LONG_AGO, LONG_AGO))


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of this moment have settled."""
    now = time.time
    monkeypatch.setattr("lda.script_store.time.time", lambda: now() + 100)


@pytest.mark.usefixtures("later")
class TestScripts:
    def test_a_change_is_seen_at_once(self, tmp_path: Path) -> None:
        path, known, owner = tmp_path / "s", Known(), user(tmp_path)
        for text in (b"keep;", b"stop;", b"discard;"):
            write(path, text)
            assert [read_own(path, owner, 100, known) for _ in range(3)] == [text] * 3

    def test_a_new_file_in_its_place_is_seen(self, tmp_path: Path) -> None:
        """ManageSieve replaces; the link to the active script is retargeted."""
        known, owner, link = Known(), user(tmp_path), tmp_path / "active"
        for name in ("one", "two"):
            write(tmp_path / name, name.encode())
            link.unlink(missing_ok=True)
            link.symlink_to(name)
            assert [read_own(link, owner, 100, known) for _ in range(2)] == [name.encode()] * 2
        link.unlink()
        assert read_own(link, owner, 100, known) is None

    def test_a_link_that_now_leads_out_is_refused(self, tmp_path: Path) -> None:
        home, known = tmp_path / "home", Known()
        home.mkdir()
        write(home / "s", b"keep;")
        write(tmp_path / "foreign", b"stop;")
        link = home / "active"
        link.symlink_to("s")
        assert read_own(link, user(home), 100, known) == b"keep;"
        link.unlink()
        link.symlink_to(tmp_path / "foreign")
        with pytest.raises(Unusable):
            read_own(link, user(home), 100, known)

    def test_what_one_user_may_read_says_nothing_about_another(self, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        known = Known()
        write(tmp_path / "s", b"keep;")
        assert read_own(tmp_path / "s", user(tmp_path), 100, known) == b"keep;"
        with pytest.raises(Unusable):
            read_own(tmp_path / "s", user(tmp_path / "other"), 100, known)

    def test_a_lower_limit_holds(self, tmp_path: Path) -> None:
        known = Known()
        write(tmp_path / "s", b"keep;")
        assert read_own(tmp_path / "s", user(tmp_path), 100, known) == b"keep;"
        with pytest.raises(Unusable):
            read_own(tmp_path / "s", user(tmp_path), 4, known)


def test_what_was_changed_a_moment_ago_is_read_again(tmp_path: Path) -> None:
    """Two changes within one tick of the file system's clock look like one."""
    known = Known()
    (tmp_path / "s").write_bytes(b"keep;")
    assert read_own(tmp_path / "s", user(tmp_path), 100, known) == b"keep;"
    assert known.get(tmp_path / "s", user(tmp_path)) is None


def test_a_memo_belongs_to_one_user_and_one_table(tmp_path: Path) -> None:
    calls: list[tuple[User, str]] = []

    def make(who: User, table: str) -> str:
        calls.append((who, table))
        return f"{who.name} {table}"

    memo, one, other = Memo(make), user(tmp_path), user(tmp_path)
    table, new = "a table", "another"
    assert [memo(one, table), memo(one, table), memo(other, table), memo(one, new)] == [
        "u@b a table", "u@b a table", "u@b a table", "u@b another",
    ]  # fmt: skip
    assert len(calls) == 3
    for number in range(3 * MAX_USERS):
        assert memo(User(name=str(number), home=tmp_path, uid=1, gid=1), table) == f"{number} {table}"
    assert len(memo._kept) <= MAX_USERS
