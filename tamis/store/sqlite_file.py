"""sqlite_file - the database file: how it is opened, what is in it, how it grows up and how it forgets.

WAL, so that readers of other programs never wait, and ``synchronous = NORMAL``: a commit is written and not
flushed. The death of our process, kill -9 included, loses nothing that was answered. Power loss may lose what
came since the last checkpoint, and `SqliteStore` makes one each second: a second of counters against a flush
(0.1 to 20 ms) on every answer. The file itself stays whole in both cases.

SQLite by itself makes a checkpoint in the commit that finds 1,000 pages in the log: ten times a second under load, and
the event loop waits for the disk. Here it does so only where the thread has fallen far behind.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

# A statement that waits for another process's lock stops our event loop: never for longer than this.
LOCK_WAIT_S = 0.002

# Pages of 4 KiB in the write-ahead log, which begins anew only when all of it is flushed and nobody writes: from the
# first number on writers have to wait for that, from the second on the commit flushes itself.
LONG_LOG = 8192
LONGEST_LOG = 32768

# One step a version; never change one that was released, append the next. PRAGMA user_version counts them.
# Every table is keyed by name first and has *expires*: seconds after which the row says nothing any more.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE bucket (
            name TEXT NOT NULL,
            rate TEXT NOT NULL,
            level INTEGER NOT NULL,
            moment INTEGER NOT NULL,
            expires REAL NOT NULL,
            PRIMARY KEY (name, rate)
        ) WITHOUT ROWID""",
        """CREATE TABLE answer (
            name TEXT NOT NULL PRIMARY KEY,
            allowed INTEGER NOT NULL,
            remaining INTEGER NOT NULL,
            retry_after_s REAL NOT NULL,
            window INTEGER NOT NULL,
            expires REAL NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE seen (
            name TEXT NOT NULL PRIMARY KEY,
            first REAL NOT NULL,
            expires REAL NOT NULL
        ) WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE greylist (
            name TEXT NOT NULL PRIMARY KEY,
            one INTEGER NOT NULL,
            two INTEGER NOT NULL,
            expires REAL NOT NULL
        ) WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE sighting (
            name TEXT NOT NULL,
            kind TEXT NOT NULL,
            token TEXT NOT NULL,
            first INTEGER NOT NULL,
            last INTEGER NOT NULL,
            expires REAL NOT NULL,
            PRIMARY KEY (name, kind, token)
        ) WITHOUT ROWID""",
        """CREATE TABLE standing (
            name TEXT NOT NULL PRIMARY KEY,
            since INTEGER NOT NULL,
            stage INTEGER NOT NULL,
            until INTEGER NOT NULL,
            locked_until INTEGER NOT NULL,
            locks INTEGER NOT NULL,
            expires REAL NOT NULL
        ) WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE held (
            name TEXT NOT NULL PRIMARY KEY,
            entries TEXT NOT NULL,
            expires REAL NOT NULL
        ) WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE tally_page (
            name TEXT NOT NULL PRIMARY KEY,
            heading TEXT NOT NULL,
            mark TEXT NOT NULL,
            lines INTEGER NOT NULL,
            lost INTEGER NOT NULL,
            expires REAL NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE tally_line (
            name TEXT NOT NULL,
            line TEXT NOT NULL,
            count INTEGER NOT NULL,
            expires REAL NOT NULL,
            PRIMARY KEY (name, line)
        ) WITHOUT ROWID""",
    ),
)

TABLES = ("bucket", "answer", "seen", "greylist", "sighting", "standing", "held", "tally_page", "tally_line")

# By primary result code (sqlite.org/rescode.html). A mail peer may read them: no path is in them.
_SENTENCES = {
    sqlite3.SQLITE_BUSY: "is locked by another process",
    sqlite3.SQLITE_LOCKED: "is locked by another process",
    sqlite3.SQLITE_FULL: "cannot be written because the disk is full",
    sqlite3.SQLITE_READONLY: "may not be written by this program",
    sqlite3.SQLITE_PERM: "may not be opened by this program",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_IOERR: "cannot be read or written, its disk fails",
    sqlite3.SQLITE_CORRUPT: "is damaged",
    sqlite3.SQLITE_NOTADB: "is damaged: this is no SQLite database",
}


class UnusableError(sqlite3.DatabaseError):
    """The file is whole and still not for us; the sentence says why."""


def open_database(path: Path) -> sqlite3.Connection:
    """Open or create the database at *path*, in today's schema. Raises sqlite3.Error or OSError.

    Transactions are begun by hand; the connection may be used from any one thread at a time."""
    _create(path)
    db = sqlite3.connect(path, timeout=LOCK_WAIT_S, isolation_level=None, check_same_thread=False)
    try:
        _prepare(db)
    except BaseException:
        db.close()
        raise
    return db


def _create(path: Path) -> None:
    """SQLite would create it world-readable, and senders and recipients are in it. One that root creates, with a
    command before the first start of a daemon, is the directory's owner's: else no daemon could write it.

    An existing file is left alone: to close it here would let go of the locks of every other connection that
    this process has to it (sqlite.org/howtocorrupt.html section 2.2)."""
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
        try:
            if os.geteuid() == 0:
                directory = path.parent.stat()
                os.fchown(descriptor, directory.st_uid, directory.st_gid)
        finally:
            os.close(descriptor)


def _prepare(db: sqlite3.Connection) -> None:
    (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise UnusableError("its file system cannot share memory (a network file system?)")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute(f"PRAGMA wal_autocheckpoint = {LONGEST_LOG}")
    if _version(db) != len(MIGRATIONS):
        with db:
            db.execute("BEGIN IMMEDIATE")
            _migrate(db)


def _migrate(db: sqlite3.Connection) -> None:
    version = _version(db)  # again, now that nobody else can change it
    if version > len(MIGRATIONS):
        raise UnusableError(f"it was written by a newer Tamis (schema {version}, ours is {len(MIGRATIONS)})")
    for step in MIGRATIONS[version:]:
        for statement in step:
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _version(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def sentence(exc: BaseException) -> str:
    """What is wrong with the database, as the rest of a sentence about it. Tells no path."""
    if isinstance(exc, UnusableError):
        return f"is not usable: {exc}"
    if isinstance(exc, OSError):
        return f"cannot be opened ({exc.strerror or 'operating system error'})"
    return _SENTENCES.get(primary_code(exc), "failed")


def primary_code(exc: BaseException) -> int:
    """SQLite's result code without its extension; 0 for an exception that has none."""
    return int(getattr(exc, "sqlite_errorcode", 0)) & 0xFF


def checkpoint(path: Path) -> None:
    """Flush what was committed to the disk. Waits for nobody; for a thread beside the event loop.

    Under load there is always something new in the log. Where it has grown long, what is left after a second round is
    so little that writers can wait for it: a few milliseconds, once a second."""
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", timeout=0, uri=True)
    try:
        _, pages, _ = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages > LONG_LOG:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")
            db.execute("PRAGMA wal_checkpoint(RESTART)")
    finally:
        db.close()


@dataclass(slots=True)
class Sweep:
    """Deletes expired rows, a stretch of each table at a time, round and round.

    An index on *expires* would be written at every charge; walking costs a fraction of that."""

    stretch: int = 512
    _after: dict[str, str] = field(default_factory=lambda: dict.fromkeys(TABLES, ""))

    def step(self, db: sqlite3.Connection, before: float) -> None:
        """Look at the next rows of each table and delete those whose *expires* is before *before*."""
        for table, after in self._after.items():
            (upto,) = db.execute(_UPTO[table], (after, self.stretch - 1)).fetchone() or (None,)
            db.execute(_DELETE[table], (after, upto or _BEHIND_ALL, before))
            self._after[table] = upto or ""


_BEHIND_ALL = "\x7f"  # names are printable ASCII
_UPTO = {table: f"SELECT name FROM {table} WHERE name > ? ORDER BY name LIMIT 1 OFFSET ?" for table in TABLES}
_DELETE = {table: f"DELETE FROM {table} WHERE name > ? AND name <= ? AND expires < ?" for table in TABLES}
