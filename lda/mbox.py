"""mbox - one copy of a message at the end of an mbox file, as /var/mail has them: whole, or not there at all.

Locks are Debian's (policy 11.6): fcntl first, then ``FILE.lock``; who may not write the directory has the first alone.
A line that begins with ``From `` gets a ``>`` in front, as Postfix and procmail do it.

Appending is not atomic, so a failure cuts the file back to what it was. A kill leaves a part of the message: the retry
(`lda.attempts`) finds under the lock that the file ends with the beginning of its own message, and cuts that off; where
it finds the whole, that is the copy.

Folders are files in a directory of their own, ``A/B``. There is no quota here but the file system's.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import re
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

from lda.copies import Wanted, Written
from lda.directories import CREATE, open_below, open_root, opened
from lda.folders import BadMailbox
from lda.writing import write_all

_WAIT_S = 10.0
_PAUSE_S = 0.05
_STALE_S = 300.0  # lockfile(1), procmail: nobody appends for longer
_PIECE_BYTES = 1 << 20
_FLOCK = struct.Struct("hhqqi4x")  # struct flock of Linux, 64 bit
_FROM = re.compile(rb"^From ", re.MULTILINE)
_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_STATUS = {"S": ("Status", "R"), "R": ("X-Status", "A"), "F": ("X-Status", "F"), "T": ("X-Status", "D"),
           "D": ("X-Status", "T")}  # fmt: skip


class MboxCopy:
    """One copy on its way: nothing is written before `commit`."""

    def __init__(
        self, fd: int, path: Path, envelope_line: bytes, body: _Body, *, look: bool, sync: bool
    ) -> None:
        self.committed = False
        self.known = False
        self.written = Written(body.size, 0)
        self._fd = fd
        self._path = path
        self._line = envelope_line
        self._body = body
        self._look = look
        self._sync = sync
        self._before = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def commit(self) -> None:
        """Append it. Raises OSError; then the file is as it was."""
        with _locked(self._fd, self._path):
            size = os.fstat(self._fd).st_size
            if self._look:
                self.known, size = _earlier(self._fd, size, self._line, self._body)
            if not self.known:
                self._append(size)
        self.committed = not self.known

    def _append(self, size: int) -> None:
        self._before = size
        os.lseek(self._fd, size, os.SEEK_SET)
        try:
            write_all(self._fd, self._line)
            for piece in self._body.pieces():
                write_all(self._fd, piece)
            if self._sync:
                os.fsync(self._fd)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(self._fd, size)
                os.fsync(self._fd)
            raise

    def undo(self) -> None:
        """Cut the file back, if nothing was appended behind it."""
        if not self.committed:
            return
        self.committed = False
        end = self._before + len(self._line) + self._body.size
        with suppress(OSError), _locked(self._fd, self._path):
            if os.fstat(self._fd).st_size == end:
                os.ftruncate(self._fd, self._before)
                os.fsync(self._fd)

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class _Body:
    """What stands below the ``From `` line: *head*, *raw* quoted, and the empty line at the end."""

    def __init__(self, head: bytes, raw: bytes | mmap.mmap) -> None:
        self._head = head
        self._raw = raw
        self._quotes = [match.start() for match in _FROM.finditer(raw)]
        self._end = b"\n" if not len(raw) or raw[len(raw) - 1 :] == b"\n" else b"\n\n"
        self.size = len(head) + len(raw) + len(self._quotes) + len(self._end)

    def pieces(self) -> Iterator[bytes]:
        """In pieces of a megabyte at most."""
        yield self._head
        at = 0
        for quote in self._quotes:
            yield from self._slices(at, quote)
            yield b">"
            at = quote
        yield from self._slices(at, len(self._raw))
        yield self._end

    def _slices(self, start: int, stop: int) -> Iterator[bytes]:
        for at in range(start, stop, _PIECE_BYTES):
            yield self._raw[at : min(at + _PIECE_BYTES, stop)]


class Mbox:
    """A user's mbox files. inbox: the INBOX's file. folders: the directory of the others."""

    def __init__(self, inbox: Path, folders: Path, sender: str, *, sync: bool = True) -> None:
        self._inbox = inbox
        self._folders = folders
        self._sender = sender
        self._sync = sync

    def has(self, directory: str) -> bool:
        """Whether the mailbox exists; the INBOX ("") always does, for delivery makes it."""
        return not directory or (self._folders / directory).is_file()

    def stage(
        self, directory: str, head: bytes, raw: bytes | mmap.mmap, want: Wanted | None = None
    ) -> MboxCopy:
        """Raises OSError; BadMailbox for a folder that is missing (and not to be made) or no file."""
        want = want or Wanted()
        path = self._folders / directory if directory else self._inbox
        fd = self._open(directory, path, create=want.create or not directory)
        return MboxCopy(
            fd, path, self._envelope_line(), _Body(head + _flags(want), raw), look=want.look, sync=self._sync
        )  # fmt: skip

    def _envelope_line(self) -> bytes:
        sender = re.sub(r"[\x00-\x20\x7f]", "", self._sender) or "MAILER-DAEMON"
        return f"From {sender}  {time.asctime()}\n".encode("utf-8", "surrogateescape")

    def _open(self, directory: str, path: Path, *, create: bool) -> int:
        flags = _OPEN | (os.O_CREAT if create else 0)
        if not directory:
            return os.open(path, flags, 0o600)
        parent, _, name = directory.rpartition("/")
        try:
            with ExitStack() as stack:
                above = opened(stack, open_root(self._folders / parent, create=create))
                if parent:
                    root = opened(stack, open_root(self._folders, create=False))
                    above = opened(stack, open_below(parent, root))
                return os.open(name, flags, 0o600, dir_fd=above)
        except FileNotFoundError:
            raise BadMailbox("the mailbox does not exist") from None
        except (NotADirectoryError, IsADirectoryError):
            raise BadMailbox("the mailbox is no file") from None


def make_inbox(path: Path, uid: int) -> None:
    """The empty mbox *path* of a user who may not make it: in a directory like /var/mail, which a group may write
    (Debian's policy 11.6). For root; where it is not such a directory, nothing is done. Raises OSError."""
    if path.exists() or any(above.lstat().st_uid for above in path.parents):
        return  # a directory of the user's, or a link in one, leads wherever the user likes
    with ExitStack() as stack:
        above = opened(stack, open_root(path.parent, create=False))
        found = os.fstat(above)
        if found.st_mode & 0o022 != 0o020:
            return
        with suppress(FileExistsError):
            fd = opened(stack, os.open(path.name, CREATE, 0o600, dir_fd=above))
            os.fchown(fd, uid, found.st_gid)
            os.fchmod(fd, 0o660)


def _flags(want: Wanted) -> bytes:
    """Fields that mbox readers take for flags."""
    values: dict[str, str] = {}
    for letter in want.flags:
        name, value = _STATUS[letter]
        values[name] = values.get(name, "") + value
    if want.keywords:
        values["X-Keywords"] = " ".join(want.keywords)
    return "".join(f"{name}: {value}\n" for name, value in values.items()).encode("ascii", "replace")


def _earlier(fd: int, size: int, line: bytes, body: _Body) -> tuple[bool, int]:
    """Whether an earlier attempt has appended *body*; and where the file ends without what one has left."""
    if not size:
        return False, size
    whole = b"".join(body.pieces())
    with mmap.mmap(fd, size, access=mmap.ACCESS_READ) as file:
        if file.find(whole) >= 0:
            return True, size
        start = _last(file, size)
        begins = file.find(b"\n", start) + 1
        sender = line[: -len(time.asctime()) - 1]
        left = file[start : begins or size]
        if left[: len(sender)] != sender[: len(left)] or (begins and not whole.startswith(file[begins:])):
            return False, size
    os.ftruncate(fd, start)
    return False, start


def _last(file: mmap.mmap, size: int) -> int:
    """Where the last message begins, of which perhaps only a part of ``From `` is there."""
    for short in range(min(size, 4), 0, -1):
        start = size - short
        if file[start:] == b"From "[:short] and file[max(start - 2, 0) : start] in {b"", b"\n\n"}:
            return start
    return file.rfind(b"\nFrom ") + 1


@contextmanager
def _locked(fd: int, path: Path) -> Iterator[None]:
    """Both locks. Raises TimeoutError where somebody else keeps one."""
    deadline = time.monotonic() + _WAIT_S
    region = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    _until(deadline, lambda: fcntl.fcntl(fd, fcntl.F_OFD_SETLK, region))
    try:
        dot = _dotlock(path, deadline)
        try:
            if not os.path.samestat(os.fstat(fd), path.stat()):
                raise BlockingIOError(errno.EAGAIN, "the mailbox was replaced meanwhile")
            yield
        finally:
            if dot is not None:
                with suppress(OSError):
                    dot.unlink()
    finally:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0))


def _dotlock(path: Path, deadline: float) -> Path | None:
    """``FILE.lock``; None where we may not make it."""
    lock = path.with_name(path.name + ".lock")

    def make() -> None:
        try:
            fd = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            with suppress(OSError):
                if time.time() - lock.stat(follow_symlinks=False).st_mtime > _STALE_S:
                    lock.unlink()
            raise BlockingIOError(errno.EAGAIN, "locked") from None
        try:
            write_all(fd, b"%d\n" % os.getpid())
        finally:
            os.close(fd)

    try:
        _until(deadline, make)
    except PermissionError:
        return None
    return lock


def _until(deadline: float, act: Callable[[], object]) -> None:
    """Do *act* until it is not busy."""
    while True:
        try:
            act()
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(errno.EAGAIN, "the mailbox is locked by somebody else") from None
            time.sleep(_PAUSE_S)
        else:
            return
