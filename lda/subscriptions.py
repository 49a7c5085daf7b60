r"""subscriptions - add a folder to Dovecot's file of subscribed mailboxes.

Two formats are in use: version 2 (``V\t2``, an empty line, then a name a line with TAB between levels) and
the older one with the storage's separator. The lock is Dovecot's: ``subscriptions.lock`` is the new file,
made O_EXCL and renamed. A lock that is held for long is left alone: the caller goes on without.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from pathlib import Path

MAX_FILE_BYTES = 1 << 20
_VERSION_2 = b"V\t2\n\n"
_WAIT_S = 2.0
_POLL_S = 0.05


def subscribe(root: Path, directory: str) -> None:
    """Add the folder *directory* (``.A.B``, or ``A/B`` in the ``fs`` layout).

    Raises OSError, EAGAIN where the lock is held too long."""
    lock = root / "subscriptions.lock"
    fd = _lock(lock)
    try:
        with open(fd, "wb") as file:
            old = _read(root / "subscriptions")
            file.write(_added(old, directory))
            file.flush()
            os.fsync(fd)
        os.rename(lock, root / "subscriptions")
    except BaseException:
        with suppress(OSError):
            lock.unlink()
        raise


def _lock(path: Path) -> int:
    deadline = time.monotonic() + _WAIT_S
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            if time.monotonic() > deadline:
                raise BlockingIOError(errno.EAGAIN, "locked by somebody else") from None
        time.sleep(_POLL_S)


def _read(path: Path) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return _VERSION_2
    with open(fd, "rb") as file:
        raw = file.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return raw


def _added(old: bytes, directory: str) -> bytes:
    """*old* with the folder, once."""
    separator = "." if directory.startswith(".") else "/"
    levels = directory.removeprefix(".")
    name = levels.replace(separator, "\t") if old.startswith(b"V\t2") else levels
    line = name.encode()
    if line in old.split(b"\n"):
        return old
    if old and not old.endswith(b"\n"):
        old += b"\n"
    return old + line + b"\n"
