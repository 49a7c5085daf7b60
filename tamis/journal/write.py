"""write - appends decision records; never raises into the mail path and never loses what it did write.

Records of one turn of the event loop go out in one write(2) of whole lines on a file opened with O_APPEND, so
several processes may write one file. Without a running loop each record is written at once. What cannot be
written (disk full, no such directory, no rights) is counted, and logged once until writing works again.

Each account has a file of its own a day; programs of several accounts need a directory that all may write to.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock

import orjson

from tamis import metrics
from tamis.journal.config import JournalConfig
from tamis.journal.days import day_of, file_name, files
from tamis.log import Log

Value = str | int | float | list[str]

MAX_VALUE_CHARS = 1024
MAX_VALUE_CHARS_OF_LONG = 64  # where a record would not fit: long remote values must not hide it
MAX_ITEMS = 64
MAX_LINE_BYTES = 16_384
MAX_BATCH_BYTES = 1 << 20

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_escaping = json.JSONEncoder(separators=(",", ":")).encode  # a lone surrogate survives the way back


class Journal:
    """One process's pen. Safe to use from several threads.

    Nothing is opened before the first record: open it as root, write it as the user the program became."""

    def __init__(
        self, directory: Path | None, keep_s: float, log: Log, clock: Callable[[], float] = time.time
    ) -> None:
        self._directory = directory
        self._keep_s = keep_s
        self._log = log
        self._clock = clock
        self._lock = Lock()
        self._lines: list[bytes] = []
        self._bytes = 0
        self._waiting: asyncio.AbstractEventLoop | None = None
        self._fd = -1
        self._day = ""
        self._failing = False

    @classmethod
    def open(cls, config: JournalConfig, log: Log | None = None) -> Journal:
        """The journal that *config* asks for; a disabled one takes records and keeps none."""
        return cls(config.path if config.enabled else None, config.keep, log or Log.null())

    @classmethod
    def null(cls) -> Journal:
        """A journal that keeps nothing."""
        return cls(None, 0.0, Log.null())

    def append(self, program: str, fields: Mapping[str, Value]) -> None:
        """Keep one record; empty values are left out, long ones cut."""
        if self._directory is None:
            return
        try:
            line = _line(self._clock(), program, fields)
        except Exception as exc:  # a record that cannot be written down must not stop the mail
            self._fail(exc, 1)
            return
        with self._lock:
            self._lines.append(line)
            self._bytes += len(line)
            full = self._bytes > MAX_BATCH_BYTES
        if full or not self._flush_soon():
            self.flush()

    def _flush_soon(self) -> bool:
        """Ask the running loop to flush at its next turn; False without one."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        if self._waiting is not loop:
            self._waiting = loop
            loop.call_soon(self.flush)
        return True

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            self._waiting = None
            lines, self._lines, self._bytes = self._lines, [], 0
            if not lines:
                return
            try:
                self._write(b"".join(lines))
            except OSError as exc:
                self._close()
                self._fail(exc, len(lines))
                return
        metrics.count_journal(len(lines))
        if self._failing:
            self._failing = False
            self._log.info("journal writes again", path=str(self._directory))

    def close(self) -> None:
        """Write what waits and let go of the file."""
        self.flush()
        with self._lock:
            self._close()

    def _fail(self, exc: Exception, records: int) -> None:
        metrics.count_journal(0, records)
        if not self._failing:
            self._failing = True
            self._log.error("journal cannot be written", path=str(self._directory), error=str(exc))

    def _write(self, raw: bytes) -> None:
        today = day_of(self._clock())
        if self._fd >= 0 and (today != self._day or not os.fstat(self._fd).st_nlink):
            self._close()
        if self._fd < 0:
            self._open(today)
        written = os.write(self._fd, raw)
        if written < len(raw):
            raise OSError(f"only {written} of {len(raw)} bytes were taken: disk full?")

    def _open(self, today: str) -> None:
        assert self._directory is not None
        if not self._directory.is_dir():
            self._directory.mkdir(parents=True, exist_ok=True)
            self._directory.chmod(0o750)
        path = self._directory / file_name(today, os.geteuid())
        try:
            self._fd = os.open(path, _FLAGS | os.O_EXCL, 0o640)
        except FileExistsError:
            self._fd = os.open(path, _FLAGS, 0o640)
        else:
            os.fchmod(self._fd, 0o640)  # whatever the umask
        self._day = today
        self._prune()

    def _close(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1

    def _prune(self) -> None:
        """Remove the days before those that are kept."""
        assert self._directory is not None
        oldest = day_of(self._clock() - self._keep_s)
        for day, path in files(self._directory):
            if day < oldest:
                path.unlink(missing_ok=True)


def _line(now_s: float, program: str, fields: Mapping[str, Value]) -> bytes:
    for limit in (MAX_VALUE_CHARS, MAX_VALUE_CHARS_OF_LONG):
        record: dict[str, Value] = {"time": round(now_s, 3), "program": program}
        record |= {
            name: value if type(value) is str and len(value) <= limit else _bounded(value, limit)
            for name, value in fields.items()
            if value or value == 0
        }
        raw = _encoded(record) + b"\n"
        if len(raw) <= MAX_LINE_BYTES:
            return raw
    raise ValueError(f"a record of {len(raw)} bytes")


def _encoded(record: Mapping[str, Value]) -> bytes:
    """Printable ASCII. The fast encoder escapes nothing else, so it does for what is that already."""
    try:
        raw = orjson.dumps(record)
    except TypeError:  # a lone surrogate
        raw = b"\x7f"
    if raw.isascii() and b"\x7f" not in raw:
        return raw
    return _escaping(record).encode("ascii")


def _bounded(value: Value, limit: int) -> Value:
    if isinstance(value, str):
        return value[:limit]
    if isinstance(value, list):
        return [item[:limit] for item in value[:MAX_ITEMS]]
    return value
