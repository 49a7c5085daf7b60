"""seen - what is to be remembered of a user's mail: whom a vacation has answered, what `duplicate` has looked for.

One file a user, a line a key: ``until key`` (seconds since the epoch, hexadecimal digest). Lines are appended and
synced under a lock; a later line counts more; a torn one counts nothing. Past a size the file is written anew with
what has not expired, the latest lines first, so it cannot grow without end.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_BYTES = 512 << 10
_KEPT = 4000
_LOCK_WAIT_S = 5.0
_LOCK_PAUSE_S = 0.02
_LINE = re.compile(rb"([0-9]{1,12}) ([0-9a-f]{64})")
_OPEN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Memory:
    """The file at *path*; *now*: the time of this delivery. Raises OSError where the file cannot be used."""

    def __init__(self, path: Path, now: float) -> None:
        self._path = path
        self._now = now

    def has(self, key: str) -> bool:
        """Whether *key* is remembered."""
        try:
            fd = os.open(self._path, os.O_RDONLY | _OPEN)
        except FileNotFoundError:
            return False
        try:
            return key in self._live(fd)
        finally:
            os.close(fd)

    def remember(self, key: str, keep_s: int) -> None:
        """From now on *key* is remembered, for *keep_s* seconds."""
        if keep_s > 0:
            with self._locked() as fd:
                self._append(fd, key, keep_s)

    def once(self, key: str, keep_s: int, act: Callable[[], None]) -> bool:
        """Do *act* unless *key* is remembered, and then remember it; False: it was. No two do so at once."""
        if keep_s <= 0:
            act()
            return True
        with self._locked() as fd:
            if key in self._live(fd):
                return False
            act()
            self._append(fd, key, keep_s)
            return True

    def _live(self, fd: int) -> dict[str, int]:
        """The keys that have not expired, in the order of their last lines."""
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(f"{self._path.name} is no file")
        live: dict[str, int] = {}
        for line in os.pread(fd, 2 * MAX_BYTES, 0).split(b"\n"):
            match = _LINE.fullmatch(line)
            if match:
                key = match[2].decode("ascii")
                live.pop(key, None)
                if int(match[1]) > self._now:
                    live[key] = int(match[1])
        return live

    def _append(self, fd: int, key: str, keep_s: int) -> None:
        line = _line(key, int(self._now) + keep_s)
        size = os.fstat(fd).st_size
        if size + len(line) > MAX_BYTES:
            self._rewrite(fd, line)
            return
        torn = size and os.pread(fd, 1, size - 1) != b"\n"
        os.write(fd, b"\n" + line if torn else line)
        os.fsync(fd)

    def _rewrite(self, fd: int, line: bytes) -> None:
        """The file anew; whoever waits for the lock of the old one notices."""
        kept = list(self._live(fd).items())[-_KEPT:]
        new = self._path.with_name(self._path.name + ".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _OPEN, 0o600)
        with open(descriptor, "wb") as file:
            file.write(b"".join(_line(key, until) for key, until in kept) + line)
            file.flush()
            os.fsync(descriptor)
        new.replace(self._path)
        self._sync_directory()

    def _sync_directory(self) -> None:
        fd = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, which is ours until the end of the block."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            new = not self._path.exists()
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _OPEN, 0o600)
            try:
                _lock(fd)
                if not self._is(fd):
                    continue
                if new:
                    self._sync_directory()
                yield fd
                return
            finally:
                os.close(fd)

    def _is(self, fd: int) -> bool:
        """Whether the file is still the one that we have opened."""
        ours = os.fstat(fd)
        try:
            there = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)


def _line(key: str, until: int) -> bytes:
    return f"{until} {key}\n".encode("ascii")


def _lock(fd: int) -> None:
    """Wait for the other delivery that has the file; a TimeoutError if it takes too long."""
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            if time.monotonic() > deadline:
                raise TimeoutError("another delivery is using it") from exc
            time.sleep(_LOCK_PAUSE_S)
        else:
            return
