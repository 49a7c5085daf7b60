"""What the workers of a program read, whatever becomes of the file meanwhile."""

from __future__ import annotations

import fcntl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tamis.config.document import read
from tamis.errors import ConfigError
from tamis.service.prefork import Snapshot

SHORT, LONG = "a = 1\n", "a = 2\n# " + "word " * 40_000 + "\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "tamis.toml"
    path.write_text(SHORT)
    return path


def test_a_reload_takes_the_file_and_keeps_what_was_good(source: Path) -> None:
    snapshot = Snapshot(source, read)
    source.write_text(LONG)
    assert read(snapshot.path).text == SHORT
    snapshot.update()
    assert read(snapshot.path).text == LONG
    source.write_text("a = ")
    with pytest.raises(ConfigError, match=str(source)):
        snapshot.update()
    assert read(snapshot.path).text == LONG


def test_a_file_that_changes_while_it_is_taken_is_checked_as_it_was_taken(source: Path) -> None:
    """The first look finds it good; then somebody writes."""
    snapshot = Snapshot(source, read)

    def check(path: Path) -> None:
        read(path)
        source.write_text("a = ")

    snapshot._check = check
    with pytest.raises(ConfigError):
        snapshot.update()
    assert read(snapshot.path).text == SHORT


def test_who_reads_during_a_reload_has_one_of_both_files_and_no_half(source: Path) -> None:
    snapshot = Snapshot(source, read)
    done = threading.Event()

    def texts() -> set[str]:
        found = set()
        while not done.is_set():
            found.add(read(snapshot.path).text)
        return found

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(texts) for _ in range(4)]
        try:
            for number in range(60):
                source.write_text(LONG if number % 2 == 0 else SHORT)
                snapshot.update()
        finally:
            done.set()
        assert set().union(*(reader.result() for reader in readers)) <= {SHORT, LONG}


def test_nothing_is_written_while_somebody_reads(source: Path) -> None:
    snapshot = Snapshot(source, read)
    source.write_text(LONG)
    writer = threading.Thread(target=snapshot.update)
    with snapshot.path.open("rb") as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        writer.start()
        assert reader.read() == SHORT.encode()
    writer.join(30)
    assert read(snapshot.path).text == LONG
