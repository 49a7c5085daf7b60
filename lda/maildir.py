"""maildir - one copy of a message into a Maildir++ folder: whole and durable, or not there at all.

The order is the safest of the field: tmp/ O_EXCL, write, fsync, close (`Maildir.stage`); link into new/ or
cur/, fsync of that directory (`Copy.commit`). A failure in between leaves no file in new/ or cur/;
`Copy.undo` takes a committed copy back. Names follow Dovecot's reading:
``secs.M..P..Q...host,S=bytes,W=virtual bytes[:2,FLAGS]``; S must be exact, or Dovecot drops the IMAP
connection.

Folders are opened directory by directory without following symbolic links: nothing is written outside the
root. The root itself may be a link: that is the admin's. Errors: `tempfail` names errno's consequence.
It keeps no quota and sets no keywords.
"""

from __future__ import annotations

import errno
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from mmap import mmap
from pathlib import Path
from typing import Self

from lda.folders import BadMailbox
from tamis.errors import TempFail

_PIECE_BYTES = 1 << 20
_TRIES = 5
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_SUBDIRECTORIES = ("cur", "new", "tmp")
_LETTERS = {"\\draft": "D", "\\flagged": "F", "\\answered": "R", "\\seen": "S", "\\deleted": "T"}

_number = itertools.count(1)


def tempfail(exc: OSError) -> TempFail:
    """What a failed system call means for the message: never a bounce, and never a path in the text."""
    if exc.errno == errno.EDQUOT:
        return TempFail("4.2.2", "The mailbox is over its disk quota")
    if exc.errno == errno.ENOSPC:
        return TempFail("4.3.0", "No space left in the mail store")
    return TempFail("4.3.0", f"The mailbox cannot be written: {exc.strerror or 'unknown error'}")


def letters(flags: tuple[str, ...]) -> str:
    """The system flags among *flags* as Maildir letters, sorted as readers expect; keywords have none."""
    return "".join(sorted({_LETTERS[flag.lower()] for flag in flags if flag.lower() in _LETTERS}))


class Copy:
    """One copy on its way: written and synced in tmp/, invisible until `commit`. Close it in any case."""

    def __init__(self, directories: ExitStack, tmp: int, target: int, tmp_name: str, name: str) -> None:
        self._directories = directories
        self._tmp = tmp
        self._target = target
        self._tmp_name = tmp_name
        self.name = name
        self._committed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def commit(self) -> None:
        """Make it visible and durable. Raises OSError; then it is neither."""
        try:
            _link(self._tmp_name, self.name, self._tmp, self._target)
            self._committed = True
            os.fsync(self._target)
        except OSError:
            self.undo()
            raise

    def undo(self) -> None:
        """Take back what `commit` made, if a reader has not moved it on already."""
        if self._committed:
            self._committed = False
            with suppress(OSError):
                os.unlink(self.name, dir_fd=self._target)
                os.fsync(self._target)

    def close(self) -> None:
        """Remove the file in tmp/ and let go of the directories; a committed copy stays."""
        with self._directories, suppress(OSError):
            os.unlink(self._tmp_name, dir_fd=self._tmp)


class Maildir:
    """A user's mail store. root: the INBOX's directory. hostname: the name in file names."""

    def __init__(self, root: Path, hostname: str) -> None:
        self.root = root
        self._host = hostname.replace("/", r"\057").replace(":", r"\072").replace(",", r"\054")

    def has(self, directory: str) -> bool:
        """Whether the folder exists; the INBOX ("") always does, for delivery makes it."""
        if not directory:
            return True
        with ExitStack() as opened:
            try:
                self._open_folder(directory, opened, create=False)
            except BadMailbox:
                return False
        return True

    def stage(
        self, directory: str, head: bytes, raw: bytes | mmap, *, flags: str = "", create: bool = False
    ) -> Copy:
        """Write *head* and *raw* to the folder's tmp/ and sync them. flags: Maildir letters.

        Raises OSError; BadMailbox for a folder that is missing (and not *create*) or no directory."""
        with ExitStack() as opened:
            folder = self._open_folder(directory, opened, create=create)
            tmp = self._open_inner(folder, "tmp", opened)
            target = self._open_inner(folder, "cur" if flags else "new", opened)
            tmp_name, fd = self._create(tmp)
            try:
                size, lines = _write(fd, head, raw)
            except BaseException:
                with suppress(OSError):
                    os.unlink(tmp_name, dir_fd=tmp)
                raise
            name = f"{tmp_name},S={size},W={size + lines}" + (f":2,{flags}" if flags else "")
            return Copy(opened.pop_all(), tmp, target, tmp_name, name)

    def _create(self, tmp: int) -> tuple[str, int]:
        """A new file in tmp/ that nobody else has."""
        for attempt in itertools.count(1):
            now = time.time_ns()
            name = f"{now // 10**9}.M{now // 1000 % 10**6:06}P{os.getpid()}Q{next(_number)}.{self._host}"
            try:
                return name, os.open(name, _CREATE, 0o600, dir_fd=tmp)
            except FileExistsError:
                if attempt == _TRIES:
                    raise
        raise AssertionError

    def _open_folder(self, directory: str, opened: ExitStack, *, create: bool) -> int:
        """Raises BadMailbox for a folder that is missing (and not *create*) or no directory."""
        try:
            root = _opened(opened, self._open_root(create=create or not directory))
            return _opened(opened, _open_directory(directory, root)) if directory else root
        except FileNotFoundError:
            if not directory:
                raise
            if not create:
                raise BadMailbox("the mailbox does not exist") from None
        except NotADirectoryError:
            if not directory:
                raise
            raise BadMailbox("the mailbox is not a directory") from None
        return _opened(opened, _make_folder(directory, root))

    def _open_root(self, *, create: bool) -> int:
        try:
            return os.open(self.root, _DIRECTORY)
        except FileNotFoundError:
            if not create:
                raise
        _make_path(self.root)
        return os.open(self.root, _DIRECTORY)

    def _open_inner(self, folder: int, name: str, opened: ExitStack) -> int:
        """tmp/, new/ or cur/; all three are made where one is missing."""
        try:
            return _opened(opened, _open_directory(name, folder))
        except FileNotFoundError:
            _make_inner(folder)
        return _opened(opened, _open_directory(name, folder))


def _opened(opened: ExitStack, fd: int) -> int:
    opened.callback(os.close, fd)
    return fd


def _open_directory(name: str, parent: int) -> int:
    """Linux answers ENOTDIR to O_DIRECTORY | O_NOFOLLOW on a symbolic link, wherever it points."""
    return os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)


def _make_path(path: Path) -> None:
    """``mkdir -p`` with each new name made durable. 0700: mail is private."""
    missing = list(itertools.takewhile(lambda p: not p.exists(), (path, *path.parents)))
    for directory in reversed(missing):
        with suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        parent = os.open(directory.parent, _DIRECTORY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)


def _make_folder(directory: str, root: int) -> int:
    """A Maildir++ folder; ``maildirfolder`` tells quota programs that it is one."""
    with suppress(FileExistsError):
        os.mkdir(directory, 0o700, dir_fd=root)
    folder = _open_directory(directory, root)
    try:
        _make_inner(folder)
        with suppress(FileExistsError):
            os.close(os.open("maildirfolder", _CREATE, 0o600, dir_fd=folder))
        os.fsync(folder)
        os.fsync(root)
    except BaseException:
        os.close(folder)
        raise
    return folder


def _make_inner(folder: int) -> None:
    for name in _SUBDIRECTORIES:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=folder)
    os.fsync(folder)


def _link(tmp_name: str, name: str, tmp: int, target: int) -> None:
    """Give the file its name without ever replacing another."""
    try:
        os.link(tmp_name, name, src_dir_fd=tmp, dst_dir_fd=target, follow_symlinks=False)
    except OSError as exc:
        # A file system without hard links (some FUSE and network ones). The name is ours alone by
        # construction.
        if exc.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}:
            raise
        os.rename(tmp_name, name, src_dir_fd=tmp, dst_dir_fd=target)


def _write(fd: int, head: bytes, raw: bytes | mmap) -> tuple[int, int]:
    """Write, sync and close. Returns the bytes, and the line ends that IMAP counts as one byte more."""
    try:
        size = lines = 0
        last = b""
        for piece in _pieces(head, raw):
            _write_all(fd, piece)
            size += len(piece)
            lines += piece.count(b"\n") - piece.count(b"\r\n") - (last + piece[:1] == b"\r\n")
            last = piece[-1:]
        os.fsync(fd)
    finally:
        os.close(fd)
    return size, lines


def _pieces(head: bytes, raw: bytes | mmap) -> Iterator[bytes]:
    if head:
        yield head
    if isinstance(raw, bytes):
        yield raw
        return
    for start in range(0, len(raw), _PIECE_BYTES):
        yield raw[start : start + _PIECE_BYTES]


def _write_all(fd: int, piece: bytes) -> None:
    written = os.write(fd, piece)
    rest = memoryview(piece)
    while written < len(rest):
        rest = rest[written:]
        written = os.write(fd, rest)
