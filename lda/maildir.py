"""maildir - one copy of a message into a folder of a Maildir: whole and durable, or not there at all.

The order is the safest of the field: tmp/ O_EXCL, write, fsync, close (`Maildir.stage`); link into new/ or
cur/, fsync of that directory (`MaildirCopy.commit`). A failure in between leaves no file in new/ or cur/;
`MaildirCopy.undo` takes a committed copy back. Names follow Dovecot's reading:
``secs.M..P..Q..[T..].host,S=bytes,W=virtual bytes[:2,FLAGS]``; S must be exact, or Dovecot drops the IMAP
connection. T tells one delivery's copies from all others (`lda.attempts`): a retry finds by it what an attempt
that was cut off has stored.

Folders are opened directory by directory without following symbolic links (`lda.directories`): nothing is
written outside the root. The root itself may be a link: that is the admin's. Errors: `tempfail` names errno's
consequence. It keeps no quota.
"""

from __future__ import annotations

import errno
import itertools
import os
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from mmap import mmap
from pathlib import Path
from typing import Self

from lda.compression import Compression
from lda.copies import Wanted, Written
from lda.directories import CREATE, Rights, make_folder, open_below, open_inner, open_root, opened
from lda.folders import BadMailbox
from lda.keywords import labelled
from lda.writing import link, write
from tamis.errors import TempFail

_TRIES = 5
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


def keywords(flags: tuple[str, ...]) -> tuple[str, ...]:
    """The keywords among *flags*, each once whatever its case."""
    return tuple({flag.lower(): flag for flag in reversed(flags) if flag[:1] != "\\"}.values())[::-1]


class MaildirCopy:
    """One copy on its way: written and synced in tmp/, invisible until `commit`. Close it in any case."""

    def __init__(self, directories: ExitStack, place: _Place, name: str, written: Written) -> None:
        self._directories = directories
        self._place = place
        self.committed = False
        self.name = name
        self.written = written

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def known(self) -> bool:
        """Whether an earlier attempt has stored it."""
        return not self._place.tmp_name

    def commit(self) -> None:
        """Make it visible and durable. Raises OSError; then it is neither."""
        place = self._place
        if self.known:
            os.fsync(place.target)
            return
        try:
            with labelled(place.folder, place.keywords, place.tell) as labels:
                if labels:
                    base, _, flags = self.name.partition(":2,")
                    self.name = f"{base}:2,{flags}{labels}"
                link(place.tmp_name, self.name, place.tmp, place.target)
                self.committed = True
                if place.sync:
                    os.fsync(place.target)
        except OSError:
            self.undo()
            raise

    def undo(self) -> None:
        """Take back what `commit` made, if a reader has not moved it on already."""
        if self.committed:
            self.committed = False
            with suppress(OSError):
                os.unlink(self.name, dir_fd=self._place.target)
                os.fsync(self._place.target)

    def close(self) -> None:
        """Remove the file in tmp/ and let go of the directories; a committed copy stays."""
        with self._directories, suppress(OSError):
            if not self.known:
                os.unlink(self._place.tmp_name, dir_fd=self._place.tmp)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a copy lies and goes to: directories as descriptors. tmp_name: "" for one that is there already.
    tell: hears what could not be done though the copy is stored."""

    folder: int
    tmp: int
    target: int
    tmp_name: str
    keywords: tuple[str, ...]
    sync: bool
    tell: Callable[[str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """How messages are written. nested: folders lie in each other (Dovecot's LAYOUT=fs). sync: wait for the disk."""

    nested: bool = False
    sync: bool = True
    compression: Compression = "none"


class Maildir:
    """A user's mail store. root: the INBOX's directory. hostname: the name in file names. tell: hears what
    could not be done though a copy is stored."""

    def __init__(
        self, root: Path, hostname: str, store: Store | None = None, tell: Callable[[str], object] = str
    ) -> None:
        self.root = root
        self.store = store or Store()
        self._host = hostname.replace("/", r"\057").replace(":", r"\072").replace(",", r"\054")
        self._tell = tell

    def has(self, directory: str) -> bool:
        """Whether the folder exists; the INBOX ("") always does, for delivery makes it."""
        if not directory:
            return True
        with ExitStack() as stack:
            try:
                self._open_folder(directory, stack, create=False)
            except BadMailbox:
                return False
        return True

    def stage(
        self, directory: str, head: bytes, raw: bytes | mmap, want: Wanted | None = None
    ) -> MaildirCopy:
        """Write *head* and *raw* to the folder's tmp/ and sync them.

        Raises OSError; BadMailbox for a folder that is missing (and not to be made) or no directory."""
        want = want or Wanted()
        with ExitStack() as stack:
            folder = self._open_folder(directory, stack, create=want.create)
            tmp = open_inner(folder, "tmp", stack)
            target = open_inner(folder, "cur" if want.flags or want.keywords else "new", stack)
            place = _Place(
                folder=folder, tmp=tmp, target=target, tmp_name="", keywords=want.keywords,
                sync=self.store.sync, tell=self._tell,
            )  # fmt: skip
            if want.look and want.token and (found := _find(want.token, folder, place, stack)):
                return MaildirCopy(stack.pop_all(), found[0], found[1], Written(0, 0))
            tmp_name, written = self._write(folder, tmp, head, raw, want.token)
            name = f"{tmp_name},S={written.size},W={written.size + written.lines}"
            if want.flags or want.keywords:
                name += f":2,{want.flags}"
            return MaildirCopy(stack.pop_all(), replace(place, tmp_name=tmp_name), name, written)

    def _write(
        self, folder: int, tmp: int, head: bytes, raw: bytes | mmap, token: str
    ) -> tuple[str, Written]:
        """A new file in tmp/ that nobody else has, whole; or none."""
        tmp_name, fd = self._create(tmp, token)
        try:
            try:
                Rights.of(folder).apply(fd)
            except BaseException:
                os.close(fd)
                raise
            return tmp_name, write(fd, head, raw, self.store.compression, sync=self.store.sync)
        except BaseException:
            with suppress(OSError):
                os.unlink(tmp_name, dir_fd=tmp)
            raise

    def _create(self, tmp: int, token: str) -> tuple[str, int]:
        for attempt in itertools.count(1):
            now = time.time_ns()
            unique = f"M{now // 1000 % 10**6:06}P{os.getpid()}Q{next(_number)}"
            name = f"{now // 10**9}.{unique}{'T' if token else ''}{token}.{self._host}"
            try:
                return name, os.open(name, CREATE, 0o600, dir_fd=tmp)
            except FileExistsError:
                if attempt == _TRIES:
                    raise
        raise AssertionError

    def _open_folder(self, directory: str, stack: ExitStack, *, create: bool) -> int:
        """Raises BadMailbox for a folder that is missing (and not *create*) or no directory."""
        try:
            root = opened(stack, open_root(self.root, create=create or not directory))
            if not directory:
                return root
            folder = opened(stack, open_below(directory, root))
            if not self.store.nested or create or _is_folder(folder):
                return folder
            raise BadMailbox("the mailbox does not exist")
        except FileNotFoundError:
            if not directory:
                raise
            if not create:
                raise BadMailbox("the mailbox does not exist") from None
        except NotADirectoryError:
            if not directory:
                raise
            raise BadMailbox("the mailbox is not a directory") from None
        return opened(stack, make_folder(directory, root, "" if self.store.nested else "maildirfolder"))


def _is_folder(directory: int) -> bool:
    """Whether it is more than the place of folders below it."""
    try:
        os.stat("cur", dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _find(token: str, folder: int, place: _Place, stack: ExitStack) -> tuple[_Place, str] | None:
    """The copy with *token* that an earlier attempt has stored: seen by nobody yet, or by a reader."""
    mark = f"T{token}."
    for subdirectory in ("new", "cur"):
        fd = open_inner(folder, subdirectory, stack)
        for name in os.listdir(fd):
            if mark in name:
                return replace(place, target=fd), name
    return None
