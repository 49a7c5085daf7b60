"""usage - how much mail is in a Maildir: by the names of its files, or by the file ``maildirsize``.

Names tell (``S=``, or ``W=`` for Dovecot's virtual sizes); a file whose name does not is asked. Symbolic links are
not followed.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from lda.directories import CREATE, Rights
from lda.folders import SUBDIRECTORIES
from lda.quota import maildirsize
from lda.quota.rules import Rules, Usage
from lda.writing import write_all

_SIZES = {False: re.compile(r",S=([0-9]{1,18})(?=[,:]|$)"), True: re.compile(r",W=([0-9]{1,18})(?=[,:]|$)")}
_MAX_DEPTH = 16
_number = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """What to count. nested: the ``fs`` layout. virtual: sizes with CRLF line ends."""

    root: Path
    rules: Rules
    nested: bool = False
    virtual: bool = False
    separator: str = "."

    def count(self) -> tuple[Usage, int]:
        """The sum of all folders that count, and the newest change of a directory (ns). Raises OSError."""
        usage, newest = Usage(), 0
        for name, directory in self._folders():
            for subdirectory in ("new", "cur"):
                with suppress(FileNotFoundError, NotADirectoryError):
                    newest = max(newest, (directory / subdirectory).stat().st_mtime_ns)
                    if self.rules.counts(name):
                        usage = usage.plus(self._sum(directory / subdirectory))
        return usage, newest

    def newest(self) -> int:
        """The newest change of a directory with mail in it, ns."""
        newest = 0
        for _, directory in self._folders():
            for subdirectory in ("new", "cur"):
                with suppress(FileNotFoundError, NotADirectoryError):
                    newest = max(newest, (directory / subdirectory).stat().st_mtime_ns)
        return newest

    def _folders(self) -> Iterator[tuple[str, Path]]:
        """Names as users know them, and directories."""
        yield "INBOX", self.root
        if self.nested:
            yield from self._below(self.root, "", 0)
            return
        for entry in os.scandir(self.root):
            if entry.name[0] == "." and entry.is_dir(follow_symlinks=False):
                yield entry.name[1:].replace(".", self.separator), Path(entry.path)

    def _below(self, directory: Path, prefix: str, depth: int) -> Iterator[tuple[str, Path]]:
        for entry in os.scandir(directory):
            if (
                depth < _MAX_DEPTH
                and entry.name[0] != "."
                and entry.name not in SUBDIRECTORIES
                and entry.is_dir(follow_symlinks=False)
            ):
                yield prefix + entry.name, Path(entry.path)
                yield from self._below(Path(entry.path), f"{prefix}{entry.name}{self.separator}", depth + 1)

    def _sum(self, directory: Path) -> Usage:
        size = messages = 0
        told = _SIZES[self.virtual]
        for entry in os.scandir(directory):
            if entry.name[0] == ".":
                continue
            match = told.search(entry.name)
            with suppress(FileNotFoundError):
                size += int(match[1]) if match else entry.stat(follow_symlinks=False).st_size
                messages += 1
        return Usage(size, messages)


def known(counter: Counter, asked: Usage, *, grace_bytes: int = 0) -> Usage:
    """The sum by maildirsize, which is counted anew where its rules say so. asked: what somebody wants to add.

    Raises OSError."""
    limit = counter.rules.whole
    path = counter.root / maildirsize.NAME
    found, age_s = _read(path)
    if found is not None and found.limit == limit:
        after = found.usage.plus(asked)
        over = (limit.bytes and after.bytes > limit.bytes + grace_bytes) or (
            limit.messages and after.messages > limit.messages
        )
        if not over or not maildirsize.is_stale(found, limit, age_s):
            return found.usage
    return recount(counter)


def recount(counter: Counter) -> Usage:
    """Count, and write maildirsize anew. If a folder has changed meanwhile it is removed again: the next will count.

    Raises OSError."""
    limit = counter.rules.whole
    usage, newest = counter.count()
    path = counter.root / maildirsize.NAME
    _replace(path, maildirsize.write(limit, usage))
    if counter.newest() != newest:
        with suppress(FileNotFoundError):
            path.unlink()
    return usage


def append(root: Path, change: Usage) -> None:
    """Add *change* to maildirsize, if there is one. Raises OSError."""
    try:
        fd = os.open(root / maildirsize.NAME, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.write(fd, maildirsize.line(change))
    finally:
        os.close(fd)


def _read(path: Path) -> tuple[maildirsize.Sum | None, float]:
    """What it says, and its age in seconds."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None, 0.0
    with open(fd, "rb") as file:
        return maildirsize.read(file.read(maildirsize.MAX_BYTES)), time.time() - os.fstat(fd).st_mtime


def _replace(path: Path, content: bytes) -> None:
    root = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        new = f"tmp/{time.time_ns()}.P{os.getpid()}Q{next(_number)}.{maildirsize.NAME}"
        fd = os.open(new, CREATE, 0o600, dir_fd=root)
        try:
            Rights.of(root).apply(fd)
            write_all(fd, content)
        finally:
            os.close(fd)
        os.rename(new, path.name, src_dir_fd=root, dst_dir_fd=root)
    finally:
        os.close(root)
