"""What only SQLite can suffer: death in the middle, locks, broken files, full disks, old and new schemas."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tamis.config.schema import Duration
from tamis.errors import ConfigError, TempFail
from tamis.store import Patience, Store, Window, open_store, sqlite_file
from tamis.store.accounts import Sighting
from tamis.store.config import StoreConfig
from tamis.store.sqlite_file import MIGRATIONS, TABLES, checkpoint, open_database
from tests.installed import installed
from tests.tamis.store import charger
from tests.tamis.store.conftest import Backend

NOW = charger.NOW
LIMIT = (Window(10, 3600.0),)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store_at(path: Path) -> Backend:
    return Backend(StoreConfig(url=f"sqlite://{path}", timeout=Duration(5.0)))


async def charge_once(store: Store) -> int:
    return (await store.charge("u", LIMIT, 1, NOW)).remaining


def failure(store_at: Backend) -> str:
    with pytest.raises(TempFail, match=r"^4\.3\.0 State store .*, try again later$") as caught:
        store_at.play(charge_once)
    return caught.value.text


@pytest.mark.parametrize("answers", [1, 40, 400])
def test_kill_9_loses_nothing_that_was_answered(path: Path, store_at: Backend, answers: int) -> None:
    command = [
        sys.executable,
        charger.__file__,
        store_at.config.url,
        "",
        "u",
        "1000000",
        "20",
        "500000",
        "tell",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(answers):
            assert process.stdout.readline() == b"passed\n"
        process.send_signal(signal.SIGKILL)
        told = answers + process.stdout.read().count(b"passed\n")

    async def left(store: Store) -> int:
        return (await store.charge("u", (Window(500000, 86400.0),), 0, NOW)).remaining

    charged = 500000 - store_at.play(left)
    assert told <= charged <= told + 20  # at most the twenty that were being answered
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_all_charges_of_one_turn_are_one_transaction(path: Path, store_at: Backend) -> None:
    """A reader sees all fifty or none."""

    async def story(store: Store) -> list[int]:
        await store.charge("first", LIMIT, 1, NOW)
        calls = [asyncio.ensure_future(store.charge(f"u{n}", LIMIT, 1, NOW)) for n in range(50)]
        counts = []
        with closing(sqlite3.connect(path)) as reader:
            while not all(call.done() for call in calls):
                await asyncio.sleep(0)
                counts.append(reader.execute("SELECT count(*) FROM bucket").fetchone()[0])
        return counts

    assert set(store_at.play(story)) == {1, 51}


def test_another_process_with_the_lock_stops_neither_loop_nor_store(path: Path, store_at: Backend) -> None:
    """While the lock is held elsewhere the loop turns on; then the charge goes through."""

    async def story(store: Store) -> int:
        await charge_once(store)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = asyncio.ensure_future(charge_once(store))
            await asyncio.sleep(0.3)  # it tries again some times
            assert not waiting.done()  # a loop that stood still would come here with its failure
            other.execute("COMMIT")
        return await waiting

    assert store_at.patient(20.0).play(story) == 8


def test_a_lock_held_too_long_is_a_temporary_failure(path: Path, store_at: Backend) -> None:
    """Of all that wait for it at the same time: one after the other they would take a minute."""

    async def story(store: Store) -> float:
        await charge_once(store)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            started = time.monotonic()
            async with asyncio.timeout(30):
                failures = await asyncio.gather(
                    *(charge_once(store) for _ in range(300)), return_exceptions=True
                )
            took_s = time.monotonic() - started
        assert {str(f) for f in failures} == {
            "4.3.0 State store is locked by another process, try again later"
        }
        assert await charge_once(store) == 8  # none of the three hundred was charged
        return took_s

    assert store_at.patient(0.2).play(story) >= 0.2


@pytest.mark.parametrize("where", [0, 100, 5000])
def test_a_damaged_file_is_a_temporary_failure_until_it_is_replaced(
    path: Path, store_at: Backend, where: int
) -> None:
    remove = path.unlink

    async def fill(store: Store) -> None:
        await asyncio.gather(*(store.charge(f"u{n:03}", LIMIT, 1, NOW) for n in range(200)))

    async def story(store: Store) -> int:
        with pytest.raises(TempFail, match="State store is damaged"):
            await asyncio.gather(*(store.charge(f"u{n:03}", LIMIT, 1, NOW) for n in range(200)))
        remove()
        return await charge_once(store)

    store_at.play(fill)
    raw = bytearray(path.read_bytes())
    raw[where : where + 4096] = b"\xa5" * 4096
    path.write_bytes(raw)
    assert store_at.play(story) == 9


def test_a_file_that_is_no_database_is_not_touched(path: Path, store_at: Backend) -> None:
    path.write_text("root: admin@example.org\n" * 100)
    assert failure(store_at) == "State store is damaged: this is no SQLite database, try again later"
    assert path.read_text() == "root: admin@example.org\n" * 100


def test_a_database_of_a_newer_tamis_is_not_touched(path: Path, store_at: Backend) -> None:
    store_at.play(charge_once)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    assert "it was written by a newer Tamis (schema 99" in failure(store_at)


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
def test_every_older_schema_grows_up(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in (statement for step in MIGRATIONS[:version] for statement in step):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {version}")
    with closing(open_database(path)) as db:
        names = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        assert names == set(TABLES)
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


def test_a_directory_that_is_missing_is_the_admins_to_make(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(ConfigError, match=rf"url: the directory {missing} does not exist"):
        open_store(StoreConfig(url=f"sqlite://{missing}/state.db"))


def test_a_directory_in_place_of_the_file(path: Path, store_at: Backend) -> None:
    path.mkdir()
    assert failure(store_at) == "State store cannot be opened, try again later"


def test_nobody_else_may_read_whose_mail_is_counted(path: Path, store_at: Backend) -> None:
    async def modes(store: Store) -> set[int]:
        await charge_once(store)
        return {stat.S_IMODE(file.stat().st_mode) & 0o007 for file in path.parent.glob("state.db*")}

    before = os.umask(0)
    try:
        assert store_at.play(modes) == {0}
    finally:
        os.umask(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_a_command_of_root_creates_the_daemon_can_write(path: Path, store_at: Backend) -> None:
    """`tamis limit lock` before the daemon's first start."""
    os.chown(path.parent, 65534, 65534)
    store_at.play(charge_once)
    assert {(file.stat().st_uid, file.stat().st_gid) for file in path.parent.glob("state.db*")} == {
        (65534, 65534)
    }


def test_a_file_that_was_removed_comes_back(path: Path, store_at: Backend) -> None:
    exists = path.exists

    async def story(store: Store) -> None:
        await charge_once(store)
        for file in path.parent.glob("state.db*"):
            file.unlink()
        async with asyncio.timeout(30):
            while not exists():  # the next checkpoint sees it
                await store.charge("u", LIMIT, 0, NOW)
                await asyncio.sleep(0.01)

    store_at.play(story)


def test_a_store_made_before_a_fork_serves_both_sides(store_at: Backend) -> None:
    store = open_store(store_at.config)

    async def story() -> None:
        await charge_once(store)
        await store.close()

    child = os.fork()
    if child == 0:
        asyncio.run(story())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    asyncio.run(story())
    assert store_at.play(charge_once) == 7


def written(db: sqlite3.Connection, rows: int) -> None:
    """So many rows, and more pages than SQLite by itself would leave in its log."""
    db.execute("BEGIN IMMEDIATE")
    db.executemany("INSERT INTO seen VALUES (?, 0, 0)", ((f"{n}/{'x' * 2000}",) for n in range(rows)))
    db.execute("COMMIT")
    db.execute("DELETE FROM seen")


@pytest.mark.parametrize("slashes", ["", "/"])
def test_commits_are_flushed_by_checkpoints_alone(path: Path, slashes: str) -> None:
    """The loop does not wait for the disk, and the thread finds the file however its path is written."""
    with closing(open_database(path)) as db:
        checkpoint(path)
        before = path.stat().st_size
        written(db, 3000)
        assert path.stat().st_size == before
        checkpoint(Path(f"{slashes}{path}"))
        assert path.stat().st_size > before + 3000 * 2000


def test_a_long_log_begins_anew_though_somebody_always_writes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "LONG_LOG", 100)
    with closing(open_database(path)) as db, ThreadPoolExecutor(1) as beside:
        db.execute("PRAGMA busy_timeout = 10000")
        written(db, 100)
        first = generation(path)
        rounds = 0
        while generation(path) == first:
            rounds += 1
            assert rounds < 1000
            flushing = beside.submit(checkpoint, path)
            while not flushing.done():
                written(db, 10)
            flushing.result()


def generation(path: Path) -> bytes:
    """What a log that begins anew has another one of (sqlite.org/fileformat2.html section 4.1)."""
    return Path(f"{path}-wal").read_bytes()[16:24]


def test_what_expired_is_swept_out_a_little_at_a_time(path: Path, store_at: Backend) -> None:
    terms = Patience(delay_s=10.0, retry_s=60.0, keep_s=60.0)

    async def story(store: Store) -> None:
        for n in range(0, 3000, 100):
            days = [store.charge(f"{m}", (Window(1, 60.0),), 1, NOW, f"{m}") for m in range(n, n + 100)]
            seen = [store.first_seen(f"{m}", NOW, 60.0) for m in range(n, n + 100)]
            came = [store.greylist(f"{m}", "a", terms, NOW) for m in range(n, n + 100)]
            held = [store.lock(f"{m}", 1.0, NOW) for m in range(n, n + 100)]
            await asyncio.gather(*days, *seen, *came, *held)
        for m in range(1000):
            await store.watch("u", [Sighting("whom", f"{m}", 60.0, 60.0, 1000)], NOW, 3600.0)
        await store.watch("v", [Sighting("whom", "x", 60.0, 60.0, 1000)], NOW)
        await asyncio.gather(*(store.first_seen("kept", NOW + 60, 3600.0) for _ in range(2000)))

    store_at.play(story)
    with closing(sqlite3.connect(path)) as db:
        counts = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES]
    assert counts[:6] == [3000, 3000, 3001, 3000, 1003, 3000]

    async def later(store: Store) -> None:
        for _ in range(20):
            await asyncio.gather(*(store.first_seen("kept", NOW + 1000, 3600.0) for _ in range(64)))

    store_at.play(later)
    with closing(sqlite3.connect(path)) as db:
        counts = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES]
    # When an account was seen is remembered for a year where its silence matters, and its standing always.
    assert counts[:6] == [0, 0, 1, 0, 1, 3000]


# Runs as another user or in a mount of its own, where the test itself is root.
ATTEMPT = """
import asyncio, sys
from tamis.errors import TempFail
from tamis.store import Window, open_store
from tamis.store.config import StoreConfig

async def main():
    store = open_store(StoreConfig(url=sys.argv[1]))
    for n in range(20000):
        try:
            await asyncio.gather(*(store.first_seen(f"{n}/{m}", 1.7e9, 1e6) for m in range(50)))
        except TempFail as exc:
            print(exc)
            break
    await store.close()

asyncio.run(main())
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        (0o600, "cannot be opened"),
        (0o644, "may not be written by this program"),
        (None, "cannot be opened (Permission denied)"),
    ],
)
def test_a_file_that_is_not_ours_is_a_temporary_failure(mode: int | None, sentence: str) -> None:
    with TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        url = f"sqlite://{directory}/state.db"
        if mode is not None:
            Backend(StoreConfig(url=url)).play(charge_once)
            os.chmod(f"{directory}/state.db", mode)
        command = [installed().python, "-c", ATTEMPT, url]
        done = subprocess.run(command, user=65534, group=65534, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"4.3.0 State store {sentence}, try again later\n", "")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount")
def test_a_full_disk_is_a_temporary_failure(tmp_path: Path) -> None:
    script = f'mount -t tmpfs -o size=300k none {tmp_path} && exec "$0" -c "$1" sqlite://{tmp_path}/state.db'
    command = ["unshare", "-m", "sh", "-c", script, sys.executable, ATTEMPT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip("this container may not mount")
    sentence = "4.3.0 State store cannot be written because the disk is full, try again later"
    assert (done.stdout.strip(), done.stderr) == (sentence, "")
