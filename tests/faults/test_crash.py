"""A power cut at any moment of a delivery, whatever it leaves on the disk: what was answered with success is there,
once and whole; no reader sees a part of a message; and when the message comes again there is one copy of it."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.faults import traced
from tests.faults.crash import Disk, Entry, Mark, Named, State, Synced, Written
from tests.faults.recording import OPTIONS, Recording
from tests.faults.scenarios import (
    SCENARIOS,
    Scenario,
    damage,
    deliver,
    old,
    prepare,
    redirects,
    wrong,
)
from tests.faults.traced import Work
from tests.faults.walk import make_place
from tests.lda.home import Home

SEED = int(os.environ.get("SEED", "1"))
LIMIT = int(os.environ.get("STATES", "12"))
"""States for each moment, about; besides those that are always taken."""
NAMED, OTHER = Named((Entry(0, "a", 1),)), Named((Entry(0, "b", 2),))


def states(*events: object) -> set[tuple[tuple[str, bytes | None], ...]]:
    disk = Disk()
    for event in events:
        disk.happens(event)  # type: ignore[arg-type]
    return {tuple(sorted(state.items())) for state in disk.states(random.Random(1), 100)}


class TestTheModel:
    def test_a_name_is_safe_only_after_fsync_of_its_directory(self) -> None:
        new = Written(1)
        assert states(NAMED, new) == {(), (("a", b""),)}
        assert states(NAMED, new, Synced(1)) == {(), (("a", b""),)}
        assert states(NAMED, new, Synced(0)) == {(("a", b""),)}

    def test_data_is_safe_only_after_fsync_of_the_file(self) -> None:
        start = (NAMED, Written(1), Synced(0))
        got = states(*start, Written(1, 0, b"xyz"))
        assert got == {(("a", data),) for data in (b"", b"x", b"xy", b"xyz", b"x\0\0", b"xy\0", b"\0\0\0")}
        assert states(*start, Written(1, 0, b"xyz"), Synced(1)) == {(("a", b"xyz"),)}

    def test_names_come_in_any_order(self) -> None:
        got = states(NAMED, Written(1), OTHER, Written(2))
        assert got == {(), (("a", b""),), (("b", b""),), (("a", b""), ("b", b""))}

    def test_a_rename_never_takes_the_old_name_without_giving_the_new_one(self) -> None:
        rename = Named((Entry(0, "b", 1), Entry(0, "a", None)))
        got = states(NAMED, Written(1), Synced(0), rename)
        assert got == {(("a", b""),), (("b", b""),), (("a", b""), ("b", b""))}

    def test_what_lies_in_a_directory_without_a_name_is_gone(self) -> None:
        inside = Named((Entry(1, "f", 2),))
        got = states(Named((Entry(0, "d", 1),), 1), inside, Written(2), Synced(1))
        assert got == {(), (("d", None), ("d/f", b""))}


def test_a_trace_becomes_events() -> None:
    def hexed(text: str) -> str:
        return '"' + "".join(f"\\x{ord(char):02x}" for char in text) + '"'

    recording = Recording("/r")
    recording.begin({"tmp": None, "new": None})
    trace = "\n".join([
        f"7 openat(AT_FDCWD, {hexed('/r/tmp')}, O_RDONLY|O_DIRECTORY) = 5",
        f"7 openat(AT_FDCWD, {hexed('/r/new')}, O_RDONLY|O_DIRECTORY) = 6",
        f"7 openat(5, {hexed('m')}, O_WRONLY|O_CREAT|O_EXCL, 0600) = 7",
        f"7 write(7, {hexed('ab, c')}, 5) = 5",
        "7 fsync(8) = -1 EBADF (Bad file descriptor)",
        "7 fsync(7) = 0",
        f"7 linkat(5, {hexed('m')}, 6, {hexed('n')}, 0) = 0",
        "7 fsync(6) = 0",
        f"7 unlinkat(5, {hexed('m')}, 0) = 0",
        f"7 sendto(4, {hexed('y')}, 1, 0, NULL, 0) = 1",
        f"7 unlinkat(6, {hexed('n')}, 0) = 0",
    ])  # fmt: skip
    assert list(recording.events(trace)) == [
        Named((Entry(1, "m", 3),)), Written(3), Written(3, 0, b"ab, c"), Synced(3),
        Named((Entry(2, "n", 3),)), Synced(2), Named((Entry(1, "m", None),)), Mark("answered"),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    path = make_place()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def read(home: Home) -> State:
    paths = sorted(home.path.rglob("*"))
    return {str(path.relative_to(home.path)): path.read_bytes() if path.is_file() else None for path in paths}


def build(state: State, home: Home) -> None:
    """Make it so, with files that nobody has touched for an hour."""
    shutil.rmtree(home.path)
    home.path.mkdir()
    home.sent.unlink(missing_ok=True)
    long_ago = time.time() - 3600
    for path, content in state.items():
        if content is None:
            (home.path / path).mkdir()
        else:
            (home.path / path).write_bytes(content)
            os.utime(home.path / path, (long_ago, long_ago))


def recorded(scenario: Scenario, place: Path) -> tuple[Home, Recording, str]:
    """A home; the recording that begins with it; and the calls of a delivery."""
    assert deliver(prepare(scenario, place / "warm"), scenario) == "y"
    home = prepare(scenario, place / "home")
    recording = Recording(str(home.path))
    recording.begin(read(home))
    output = place / "trace"
    assert traced.run(Work(partial(deliver, home, scenario)), ["-o", str(output), *OPTIONS]) == "y"
    return home, recording, output.read_text()


def moments(recording: Recording, trace: str) -> Iterator[tuple[State, frozenset[str]]]:
    """Each state that there may be, once, and what had happened by then."""
    dice = random.Random(SEED)
    known = set()
    for event in recording.events(trace):
        recording.disk.happens(event)
        marks = frozenset(recording.disk.marks)
        for state in recording.disk.states(dice, LIMIT):
            key = hash((frozenset(state.items()), marks))
            if key not in known:
                known.add(key)
                yield state, marks


@pytest.mark.integration
@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_state_keeps_the_law(name: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = old(SCENARIOS[name])
    home, recording, trace = recorded(scenario, place)
    tried = resent = 0
    for state, marks in moments(recording, trace):
        tried += 1
        build(state, home)
        assert not list(damage(home, scenario)), sorted(state)
        home.sent.write_bytes(b"end without newline" * ("sent" in marks))  # that is in the MTA's queue
        if "answered" in marks:
            assert not list(wrong(home, scenario)), sorted(state)
        assert deliver(home, scenario) == "y", sorted(state)
        assert not list(damage(home, scenario)), sorted(state)
        assert not list(wrong(home, scenario)), sorted(state)
        again = max(0, redirects(home) - scenario.redirects)
        assert not again or "answered" not in marks
        resent += again  # the MTA had it, and nobody could write that down
    assert tried > 100
    with capsys.disabled():
        print(f" [{tried} states, {resent} sent on again]", end=" ")
