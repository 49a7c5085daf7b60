"""After a power cut at any moment of a delivery: what was answered with success is there, whole; no reader sees a part
of a message; and when the message comes again, as it does from a queue that was cut off too, there is one copy."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tamis.verdict import Kind
from tests.lda.disk import Recorder, rebuilt, start_from
from tests.lda.home import HEAD, Home

RAW = b"Received: from x by mx id 4XYZ12345; Tue, 24 Nov 2026 10:00:00 +0100\nSubject: x\n\nbody\n"
ARRIVED = 1795510800.0
SIZE = re.compile(r",S=(\d+)")
SCRIPTS = {
    "keep": ("keep;", {"new"}),
    "two folders": (
        'require ["fileinto", "mailbox"]; fileinto :create "A.b"; fileinto :create "C"; keep;',
        {"new", ".A.b/new", ".C/new"},
    ),
    "flags": (
        'require ["fileinto", "imap4flags", "mailbox"]; fileinto :create :flags ["\\\\Seen", "Work"] "A";',
        {".A/cur"},
    ),
}


def copies(home: Home) -> dict[str, list[Path]]:
    """The files that readers see."""
    found: dict[str, list[Path]] = {}
    root = home.path / "Maildir"
    for path in root.rglob("*"):
        if path.is_file() and path.parent.name in {"new", "cur"}:
            found.setdefault(str(path.parent.relative_to(root)), []).append(path)
    return found


def counts(home: Home) -> dict[str, int]:
    return {place: len(files) for place, files in copies(home).items()}


def check_whole(home: Home) -> None:
    for files in copies(home).values():
        for path in files:
            match = SIZE.search(path.name)
            assert match
            assert int(match[1]) == path.stat().st_size
            assert path.read_bytes() == HEAD + RAW


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A directory for thousands of deliveries: not on a disk, if that can be."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as path:
        yield Path(path)


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("before", [False, True], ids=["new user", "old user"])
def test_every_state_of_the_disk(
    memory: Path, monkeypatch: pytest.MonkeyPatch, name: str, before: bool
) -> None:
    script, targets = SCRIPTS[name]
    monkeypatch.setattr("lda.local.booted", lambda: ARRIVED + 1)
    monkeypatch.setattr("lda.keywords._WAIT_S", 0.0)  # a lock that the power cut has left
    place = memory / "disk"
    (place / "home").mkdir(parents=True)
    home = Home(place / "home")
    home.script(script)
    if before:
        home.deliver(RAW, queue_id="4XYZ00000")
        for files in copies(home).values():
            for path in files:
                path.unlink()
    recorder = Recorder(place)
    recorder.now = start_from(place)
    with recorder.watching(monkeypatch):
        home.deliver(RAW, queue_id="4XYZ12345")
    assert set(copies(home)) == targets
    tried = 0
    for number, moment in enumerate(recorder.moments):
        answered = number == len(recorder.moments) - 1
        for names, data in moment.possible():
            rebuilt(moment, names, data, place)
            check_whole(home)
            if answered:
                assert counts(home) == dict.fromkeys(targets, 1)
            assert home.deliver(RAW, queue_id="4XYZ12345").verdict.kind is Kind.PASS
            check_whole(home)
            assert counts(home) == dict.fromkeys(targets, 1)
            tried += 1
    assert tried > 50
