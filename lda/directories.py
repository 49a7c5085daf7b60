"""directories - the directories of a mail store: opened one by one without following symbolic links, made durably.

A new directory or file has the rights of the folder above it, as in Dovecot: its mode (0700 becomes 0600 for
files), and its group where that tells more than everybody may do. Nothing here is ever wider than that.
"""

from __future__ import annotations

import itertools
import os
import stat
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lda.folders import SUBDIRECTORIES

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class Rights:
    """What new files and directories of a folder get. gid: -1 where the group is right by itself."""

    directory: int = PRIVATE
    gid: int = -1

    @classmethod
    def of(cls, fd: int) -> Self:
        """Those of the directory *fd*."""
        found = os.fstat(fd)
        mode = stat.S_IMODE(found.st_mode) & 0o777 | PRIVATE
        if found.st_mode & stat.S_ISGID:
            return cls(mode | stat.S_ISGID)
        group_counts = mode >> 3 & 7 != mode & 7
        return cls(mode, found.st_gid if group_counts and found.st_gid != os.getegid() else -1)

    def apply(self, fd: int, *, directory: bool = False) -> None:
        """Give them to a file or directory that was just made with 0600 or 0700.

        Where we may not give it the group, the group gets what everybody gets."""
        mode = self.directory
        if self.gid >= 0:
            try:
                os.fchown(fd, -1, self.gid)
            except PermissionError:
                mode = mode & ~0o070 | (mode & 0o007) << 3
        if not directory:
            mode &= 0o666
        if mode != (PRIVATE if directory else 0o600):
            os.fchmod(fd, mode)


def opened(stack: ExitStack, fd: int) -> int:
    """*fd*, closed with *stack*."""
    stack.callback(os.close, fd)
    return fd


def open_directory(name: str, parent: int) -> int:
    """Linux answers ENOTDIR to O_DIRECTORY | O_NOFOLLOW on a symbolic link, wherever it points."""
    return os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)


def open_below(path: str, root: int) -> int:
    """The directory *path*, such as ``.A.B`` or ``A/B``, level by level."""
    fd = -1
    for name in path.split("/"):
        above, fd = fd, open_directory(name, root if fd < 0 else fd)
        if above >= 0:
            os.close(above)
    return fd


def open_root(path: Path, *, create: bool) -> int:
    """The INBOX's directory; it may be a link, that is the admin's."""
    try:
        return os.open(path, DIRECTORY)
    except FileNotFoundError:
        if not create:
            raise
    _make_path(path)
    return os.open(path, DIRECTORY)


def open_inner(folder: int, name: str, stack: ExitStack) -> int:
    """tmp/, new/ or cur/; all three are made where one is missing."""
    try:
        return opened(stack, open_directory(name, folder))
    except FileNotFoundError:
        make_inner(folder)
    return opened(stack, open_directory(name, folder))


def make_folder(path: str, root: int, mark: str) -> int:
    """The folder *path* with cur/, new/, tmp/, and an empty file *mark* unless that is ""; opened."""
    folder = os.dup(root)
    try:
        for name in path.split("/"):
            above, folder = folder, _made(name, folder)
            os.fsync(above)
            os.close(above)
        make_inner(folder)
        if mark:
            with suppress(FileExistsError):
                fd = os.open(mark, CREATE, 0o600, dir_fd=folder)
                Rights.of(folder).apply(fd)
                os.close(fd)
        os.fsync(folder)
    except BaseException:
        os.close(folder)
        raise
    return folder


def make_inner(folder: int) -> None:
    """cur/, new/, tmp/."""
    for name in SUBDIRECTORIES:
        os.close(_made(name, folder))
    os.fsync(folder)


def _made(name: str, parent: int) -> int:
    """The directory *name*, made if it is missing."""
    try:
        os.mkdir(name, PRIVATE, dir_fd=parent)
    except FileExistsError:
        return open_directory(name, parent)
    fd = open_directory(name, parent)
    Rights.of(parent).apply(fd, directory=True)
    return fd


def _make_path(path: Path) -> None:
    """``mkdir -p`` with each new name made durable. 0700: mail is private."""
    missing = list(itertools.takewhile(lambda p: not p.exists(), (path, *path.parents)))
    for directory in reversed(missing):
        with suppress(FileExistsError):
            directory.mkdir(mode=PRIVATE)
        parent = os.open(directory.parent, DIRECTORY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)
