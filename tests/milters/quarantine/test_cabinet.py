"""Messages in the quarantine: there to the octet, or not there."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from milters.quarantine.cabinet import Cabinet, Gone, Held, new_id
from milters.quarantine.mark import LIFE_S, marker
from tamis.mail.message import Message

NOW = 1_764_000_000.0
RAW = b"From: a@b\r\n\r\n\x00\xff{}\nbody\r\n"


def held(n: int = 0, **known: object) -> Held:
    base = Held(
        id=new_id(NOW), time_s=NOW + n, sender="\udcff@x", recipients=("b@x", "c@x"), subject="Grüße\n"
    )
    return replace(base, **known)  # type: ignore[arg-type]


def test_what_is_put_in_comes_out_to_the_octet(tmp_path: Path) -> None:
    cabinet, one = Cabinet(tmp_path / "q"), held(tags=("a", "b"), score=1.5)
    cabinet.put(one, RAW)
    assert (cabinet.get(one.id), cabinet.raw(one.id)) == (one, RAW)
    assert list(cabinet.all()) == [one]
    assert (tmp_path / "q").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "q" / one.id).stat().st_mode & 0o777 == 0o600


def test_recipients_who_have_got_it_go_one_by_one(tmp_path: Path) -> None:
    cabinet, one = Cabinet(tmp_path), held()
    cabinet.put(one, RAW)
    cabinet.leave(one, ("c@x",))
    assert cabinet.get(one.id) == replace(one, recipients=("c@x",))
    assert cabinet.raw(one.id) == RAW
    cabinet.leave(one, ())
    with pytest.raises(Gone):
        cabinet.get(one.id)


@pytest.mark.parametrize(
    "name", ["../x", "", ".key", "261124-9f3ac21b07/..", "x" * 5000, "261124-9F3AC21B07"]
)
def test_a_name_is_never_a_path(tmp_path: Path, name: str) -> None:
    cabinet = Cabinet(tmp_path)
    for ask in (cabinet.get, cabinet.raw, cabinet.remove):
        with pytest.raises(Gone):
            ask(name)


def test_what_is_no_message_is_left_out_and_links_are_not_followed(tmp_path: Path) -> None:
    cabinet, one = Cabinet(tmp_path), held()
    cabinet.put(one, RAW)
    for name, text in (
        ("261124-0000000000", "no json"),
        ("261124-0000000001", "[]\n"),
        ("261124-0000000002", "{}\n"),
    ):
        (tmp_path / name).write_text(text)
    (tmp_path / "readme").write_text("x")
    (tmp_path / "261124-0000000003").symlink_to("/etc/passwd")
    assert list(cabinet.all()) == [one]


def test_old_messages_and_half_written_ones_go(tmp_path: Path) -> None:
    cabinet = Cabinet(tmp_path)
    old, new = held(), held(100)
    for each in (old, new):
        cabinet.put(each, RAW)
    half = tmp_path / ".new-1"
    half.write_text("x")
    os.utime(half, (1, 1))
    assert cabinet.expire(NOW + 50) == 1
    assert list(cabinet.all()) == [new]
    assert not half.exists()


def test_a_disk_that_says_no_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cabinet = Cabinet(tmp_path)

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        cabinet.put(held(), RAW)
    assert not list(tmp_path.iterdir())


def test_only_one_lets_messages_go_at_a_time(tmp_path: Path) -> None:
    script = (
        "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with Cabinet(tmp_path).locked():
        assert subprocess.run(command, capture_output=True, check=False).returncode
    assert not subprocess.run(command, check=False).returncode


def test_a_mark_is_known_for_its_message_and_its_day_alone(tmp_path: Path) -> None:
    made = marker(tmp_path)
    marked = made.mark("261124-9f3ac21b07", RAW, NOW)
    assert marker(tmp_path).known(Message(marked), NOW + 60) == "261124-9f3ac21b07"
    assert marker(tmp_path).known(Message(b"Received: x\r\n" + marked), NOW) == "261124-9f3ac21b07"
    others = {
        "too old": (marked, NOW + LIFE_S + 1),
        "from the future": (marked, NOW - LIFE_S - 1),
        "another body": (marked + b"more\r\n", NOW),
        "twice": (marked.partition(b"\r\n")[0] + b"\r\n" + marked, NOW),
        "none": (RAW, NOW),
        "another id": (marked.replace(b"9f3", b"9f4"), NOW),
        "another moment": (marked.replace(str(int(NOW)).encode(), str(int(NOW) + 1).encode()), NOW),
        "no hash": (b"Tamis-Released: \xff\r\n" + RAW, NOW),
    }
    for why, (raw, now) in others.items():
        assert not made.known(Message(raw), now), why
    (tmp_path / "other").mkdir()
    assert not marker(tmp_path / "other").known(Message(marked), NOW)
    assert (tmp_path / ".key").stat().st_mode & 0o777 == 0o600
