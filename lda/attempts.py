"""attempts - a delivery that is tried again is recognised: what the first attempt has done is not done twice.

Whoever dies between a durable delivery and its answer (killed, a lost connection, a time limit) has the MTA try
again, and LMTP and pipe(8) cannot ask what became of the first attempt. So an attempt writes down, in a small file
in the user's Maildir, that it begins and that it is over:

- over: the retry answers success and does nothing;
- begun, not over: somebody died on the way, or gave up. Each copy is looked for in its folder's new/ and cur/, by the
  token in its name (`lda.maildir`), and is made only if it is not there. What was sent is noted message by message,
  at once after the MTA took it, and not sent again;
- under way: another process is at it (pipe(8)'s time limit does not end the engine). It holds a lock; the retry is
  deferred.

The same delivery is one with the same queue id, sender, recipient, mailbox, size and first 64 KiB. A queue id alone
would not do: Postfix makes short ones of an inode and microseconds, so they come again; but with them comes another
Received field, which has the time. A message without a queue id is never taken for a retry.

The file is synced only where something was sent; else that would cost a third of a delivery. A killed process loses
nothing that is written. After a power cut the file may be behind; so a message whose Received field is older than the
system's start is looked for like one that was begun. The names in new/ were synced: they are the truth, the file only
saves looking.

It is a hash table of 512 buckets of 8 entries (64 KiB at most, far less for most users): a lookup is one read, an
entry one write; the oldest entry of a full bucket is the next to go, which is some 4000 deliveries later. Where the
disk fails, the delivery is deferred. Where there can be no such file at all, messages are delivered all the same; then,
and where the file is new, each is looked for like one that was begun.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Self

from lda.directories import open_root
from lda.envelope import Envelope
from lda.maildir import tempfail
from tamis.errors import TempFail
from tamis.mail.message import Message

NAME = "tamis-delivered"
_HASHED_BYTES = 64 << 10
_ENTRY = struct.Struct("<11sBI")  # key, state, time in seconds
_BUCKET_BYTES, _BUCKETS = 8 * _ENTRY.size, 512
_FREE, _BEGUN, _OVER = 0, 1, 2
_LOCKS_AT = 1 << 40  # beyond the end: a byte for each key
_FLOCK = struct.Struct("hhqqi4x")  # struct flock of Linux, 64 bit
_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEVER = {
    errno.EACCES, errno.EISDIR, errno.ELOOP, errno.ENOENT, errno.ENOTDIR, errno.ENXIO, errno.EPERM, errno.EROFS
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes two attempts the same delivery. arrived: when the MTA got it, seconds since the epoch; 0 if
    nobody says."""

    digest: bytes
    arrived: float = 0.0


def identify(envelope: Envelope, message: Message) -> Identity | None:
    """None: without a queue id nothing is a retry."""
    if not envelope.queue_id:
        return None
    raw = message.raw
    words = (
        envelope.queue_id, envelope.sender, envelope.recipient.lower(), envelope.mailbox, str(len(raw))
    )  # fmt: skip
    digest = blake2b("\0".join(words).encode("utf-8", "surrogateescape") + b"\0", digest_size=16)
    digest.update(raw[:_HASHED_BYTES])
    return Identity(digest.digest(), _arrived(message))


def _arrived(message: Message) -> float:
    """By the topmost Received field."""
    return _parsed(message.headers.first("Received")[-128:].rpartition(b";")[2])


@lru_cache(maxsize=64)
def _parsed(date: bytes) -> float:
    """Seconds since the epoch; many messages come in the same second."""
    try:
        parsed = parsedate_tz(date.decode("ascii", "replace"))
        return float(mktime_tz(parsed)) if parsed else 0.0
    except (ValueError, OverflowError):
        return 0.0


def booted() -> float:
    """When this system was started, seconds since the epoch."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


class Attempt:
    """One attempt at a delivery. over: an earlier one has done all; look: one may have stored copies."""

    def __init__(self, identity: Identity | None, fd: int, *, since: float, new: bool = False) -> None:
        """fd: the user's file, -1 without one. new: there is nothing in it yet. since: what arrived before may have
        been delivered by somebody whose notes are lost."""
        self._identity = identity
        self._fd = fd
        self._counts: Counter[str] = Counter()
        self._index, state = self._find(identity.digest) if identity else (0, _FREE)
        self.over = state == _OVER
        self.look = identity is not None and (
            new or fd < 0 or state == _BEGUN or 0 < identity.arrived < since
        )

    @classmethod
    def open(cls, directory: Path, identity: Identity | None, *, since: float) -> Self:
        """The attempt, which nobody else makes at the same time. directory: of the user's INBOX.

        Raises TempFail where an earlier one is still under way, and where the disk fails."""
        if identity is None:
            return cls(None, -1, since=since)
        fd, new = open_notes(directory)
        if fd < 0:
            return cls(identity, fd, since=since)
        try:
            lock(fd, identity.digest)
            return cls(identity, fd, since=since, new=new)
        except BaseException:
            os.close(fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def begin(self) -> None:
        """From now on something may become visible. Raises TempFail where that cannot be written down."""
        if self._identity:
            try:
                self._write(self._identity.digest, self._index, _BEGUN)
            except OSError as exc:
                raise tempfail(exc) from exc

    def finish(self) -> None:
        """All is done; the answer will be success."""
        if self._identity:
            with suppress(OSError):
                self._write(self._identity.digest, self._index, _OVER)

    def token(self, directory: str) -> str:
        """For the name of the next copy in *directory*: the same in each attempt; "" if there is no telling."""
        return self._part(f"copy {directory}").hex()[:16] if self._identity else ""

    def once(self, what: str, act: Callable[[], object]) -> None:
        """Do *act*, which gives something away, unless an earlier attempt has; *what* says which one it is. Raises
        what *act* raises."""
        if not self._identity:
            act()
            return
        key = self._part(what)
        if self._state(key) != _OVER:
            act()
            self._note(key, _OVER)
            self._sync()

    def did(self, what: str) -> bool:
        """Whether the first of the acts that are called *what* is done, by this attempt or an earlier one."""
        return self.noted(f"{what}\0{1}")

    def note(self, what: str) -> None:
        """Write down *what* for the attempts that follow."""
        if self._identity:
            self._note(_key(self._identity, what), _OVER)

    def noted(self, what: str) -> bool:
        """Whether an attempt at this delivery has written down *what*."""
        return self._identity is not None and self._state(_key(self._identity, what)) == _OVER

    def _sync(self) -> None:
        """What the MTA has taken is in no directory where a retry could look."""
        if self._fd >= 0:
            with suppress(OSError):
                os.fdatasync(self._fd)

    def _part(self, what: str) -> bytes:
        """The key of the next part of that kind."""
        assert self._identity is not None
        self._counts[what] += 1
        return _key(self._identity, f"{what}\0{self._counts[what]}")

    def _state(self, key: bytes) -> int:
        return self._find(key)[1]

    def _note(self, key: bytes, state: int) -> None:
        with suppress(OSError):
            self._write(key, self._find(key)[0], state)

    def _find(self, key: bytes) -> tuple[int, int]:
        """The place of *key* in its bucket, and its state there: the one that it has, or that is free, or that was
        written first. Another delivery may take a free place meanwhile; then one of the two is forgotten."""
        raw = b""
        if self._fd >= 0:
            with suppress(OSError):
                raw = os.pread(self._fd, _BUCKET_BYTES, _place(key))
        oldest, place = 1 << 32, 0
        for index, (found, state, time_s) in enumerate(_ENTRY.iter_unpack(raw.ljust(_BUCKET_BYTES, b"\0"))):
            if found == key[:11]:
                return index, state
            if time_s < oldest:
                oldest, place = time_s, index
        return place, _FREE

    def _write(self, key: bytes, index: int, state: int) -> None:
        entry = _ENTRY.pack(key[:11], state, int(time.time()) & 0xFFFFFFFF)
        if self._fd >= 0:
            os.pwrite(self._fd, entry, _place(key) + index * _ENTRY.size)


def _key(identity: Identity, what: str) -> bytes:
    return blake2b(identity.digest + what.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def open_notes(directory: Path) -> tuple[int, bool]:
    """The user's file, made where it is missing, and whether it is new in a mailbox that is not; -1 where there can be
    none. Raises TempFail where that may change: a delivery of which there is no note would be made again by its
    retry."""
    try:
        known = True
        try:
            fd = os.open(f"{directory}/{NAME}", _OPEN)
        except FileNotFoundError:
            fd, known = _make(directory)
        try:
            found = os.fstat(fd)
        except BaseException:
            os.close(fd)
            raise
    except OSError as exc:
        if exc.errno in _NEVER:
            return -1, False
        raise tempfail(exc) from exc
    if stat.S_ISREG(found.st_mode):
        return fd, known and not found.st_size
    os.close(fd)
    return -1, False


def _make(directory: Path) -> tuple[int, bool]:
    """The file, and whether the directory was there."""
    known = directory.exists()
    root = open_root(directory, create=True)
    try:
        fd = os.open(NAME, _OPEN | os.O_CREAT, 0o600, dir_fd=root)
        try:
            os.fsync(root)
        except BaseException:
            os.close(fd)
            raise
    finally:
        os.close(root)
    return fd, known


def _place(key: bytes) -> int:
    """Where the bucket of *key* begins; its last bytes are in no entry."""
    return int.from_bytes(key[-2:], "little") % _BUCKETS * _BUCKET_BYTES


def lock(fd: int, key: bytes) -> None:
    """Hold the lock of *key* while *fd*, the user's file, is open: it belongs to the descriptor, not to the process, so
    threads have their own. A file system without locks has none. Raises TempFail where somebody else holds it."""
    start = _LOCKS_AT + int.from_bytes(key[:4], "little")
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, 1, 0))
    except (BlockingIOError, PermissionError) as exc:
        raise TempFail("4.3.0", "An earlier attempt to deliver this message is still under way") from exc
    except OSError:
        return
