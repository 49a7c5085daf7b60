"""keywords - IMAP keywords of a message at its delivery, as letters that Dovecot reads.

A folder's ``dovecot-keywords`` says which letter of a file name (a to z) is which keyword; a letter that it does not
list is no keyword for good. Dovecot's rules, measured on 2.3: writers hold ``dovecot-uidlist.lock``, write
``dovecot-keywords.lock``, make its time a whole second later than the old file's and rename it. The lock is held until
the message has its name: a letter could mean something else by then.

Keywords are the least of a message: where the lock cannot be had, or 26 are in use, it is stored without, and that
is told.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from string import ascii_lowercase

from lda.directories import Rights
from lda.writing import write_all

MAX_CHARS = 50  # Dovecot's mail_max_keyword_length
MAX_FILE_BYTES = 64 << 10
_FILE = "dovecot-keywords"
_LOCK = "dovecot-uidlist.lock"
_WAIT_S = 5.0
_PAUSE_S = 0.02
_DEAD_S = 2.0  # a lock of a process that is gone
_STALE_S = 120.0  # a lock that nobody has touched
_LINE = re.compile(rb"([0-9]{1,4}) ([^\n]+)")
_ATOM = re.compile(r"[^\x00-\x20\x7f-\U0010ffff(){%*\"\\\]]+")  # RFC 3501, flag-keyword
_OPEN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def assign(listed: bytes, wanted: tuple[str, ...]) -> tuple[bytes, str, tuple[str, ...]]:
    """*listed* with the keywords *wanted*; their letters, sorted; and those that have no letter left.

    listed: the contents of dovecot-keywords."""
    known = {match[2].lower(): int(match[1]) for match in map(_LINE.fullmatch, listed.split(b"\n")) if match}
    added, got, left = b"", set(), []
    for keyword in wanted:
        name = keyword.encode("ascii", "replace")
        number = known.get(name.lower(), max(known.values(), default=-1) + 1)
        if number >= len(ascii_lowercase) or len(keyword) > MAX_CHARS or not _ATOM.fullmatch(keyword):
            left.append(keyword)
            continue
        if name.lower() not in known:
            known[name.lower()] = number
            added += b"%d %s\n" % (number, name)
        got.add(ascii_lowercase[number])
    if added and listed and not listed.endswith(b"\n"):
        added = b"\n" + added
    return listed + added, "".join(sorted(got)), tuple(left)


@contextmanager
def labelled(folder: int, wanted: tuple[str, ...], tell: Callable[[str], object]) -> Iterator[str]:
    """The letters of the keywords *wanted* in *folder*, valid until the end of the block. tell: hears about those
    that are left out."""
    if not wanted:
        yield ""
        return
    try:
        lock = _lock(folder)
    except OSError as exc:
        tell(f"stored without the keywords {' '.join(wanted)}: {exc.strerror or exc}")
        yield ""
        return
    try:
        yield _letters(folder, wanted, tell)
    finally:
        _unlock(folder, lock)


def _letters(folder: int, wanted: tuple[str, ...], tell: Callable[[str], object]) -> str:
    try:
        old, changed_s = _read(folder)
        new, got, left = assign(old, wanted)
        if new != old:
            _replace(folder, new, changed_s)
    except OSError as exc:
        tell(f"stored without the keywords {' '.join(wanted)}: {exc.strerror or exc}")
        return ""
    if left:
        tell(f"stored without the keywords {' '.join(left)}: the folder has no letters left for them")
    return got


def _read(folder: int) -> tuple[bytes, int]:
    """The file, and when it was changed."""
    try:
        fd = os.open(_FILE, os.O_RDONLY | _OPEN, dir_fd=folder)
    except FileNotFoundError:
        return b"", 0
    with open(fd, "rb") as file:
        return file.read(MAX_FILE_BYTES), int(os.fstat(fd).st_mtime)


def _replace(folder: int, content: bytes, changed_s: int) -> None:
    new = _FILE + ".lock"
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _OPEN, 0o600, dir_fd=folder)
    try:
        Rights.of(folder).apply(fd)
        write_all(fd, content)
        now_s = max(int(time.time()), changed_s + 1)
        os.utime(fd, (now_s, now_s))
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(new, _FILE, src_dir_fd=folder, dst_dir_fd=folder)


def _lock(folder: int) -> tuple[int, int]:
    """Make the lock; what it is known by. Raises OSError, TimeoutError where somebody else keeps it."""
    deadline = time.monotonic() + _WAIT_S
    while True:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN
            fd = os.open(_LOCK, flags, 0o600, dir_fd=folder)
        except FileExistsError:
            if _is_left_over(folder):
                with suppress(FileNotFoundError):
                    os.unlink(_LOCK, dir_fd=folder)
            elif time.monotonic() > deadline:
                raise TimeoutError("the folder is locked by somebody else") from None
            else:
                time.sleep(_PAUSE_S)
            continue
        try:
            write_all(fd, f"{os.getpid()}:{os.uname().nodename}".encode())
            found = os.fstat(fd)
        except BaseException:
            with suppress(OSError):
                os.unlink(_LOCK, dir_fd=folder)
            raise
        finally:
            os.close(fd)
        return found.st_dev, found.st_ino


def _is_left_over(folder: int) -> bool:
    """Whether the lock belongs to a process of this host that is gone, or was not touched for long."""
    try:
        fd = os.open(_LOCK, os.O_RDONLY | _OPEN, dir_fd=folder)
    except FileNotFoundError:
        return False
    except OSError:
        return False
    with open(fd, "rb") as file:
        age_s = time.time() - os.fstat(fd).st_mtime
        pid, _, host = file.read(300).decode("ascii", "replace").partition(":")
    if age_s > _STALE_S:
        return True
    if age_s < _DEAD_S or host != os.uname().nodename or not pid.isascii() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    return False


def _unlock(folder: int, lock: tuple[int, int]) -> None:
    with suppress(OSError):
        found = os.stat(_LOCK, dir_fd=folder, follow_symlinks=False)
        if (found.st_dev, found.st_ino) == lock:
            os.unlink(_LOCK, dir_fd=folder)
