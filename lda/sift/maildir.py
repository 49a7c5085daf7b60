"""maildir - a Maildir++ folder whose messages are sifted, while Dovecot may be reading and changing it.

A message moves by hard link: the file gets a name in the other folder, that folder is synced (`settle`), and only then
the old name goes. A kill in between leaves the message in both; the next run sees by the inode that it is
there already. Files that a reader has renamed meanwhile are found again by the part of the name that never changes.
"""

from __future__ import annotations

import errno
import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from lda.copies import Wanted
from lda.directories import make_folder, open_root
from lda.explain.site import Site
from lda.folders import BadMailbox
from lda.keywords import labelled
from lda.maildir import Maildir, Store, keywords, letters
from lda.object_ids import mailbox_with_id
from lda.sift.fate import Fate, Target
from lda.sift.files import File, Folder, load
from lda.sift.mailbox import Gone, Stored, Unusable
from lda.sift.tally import changed
from lda.subscriptions import subscribe
from tamis.mail.message import Message

_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}

_DEFAULT = Site()

_number = itertools.count(1)


class MaildirFolder:
    """The folder *name* of the Maildir at *root*. tell: hears what could not be done though a message was stored.
    site: how mailboxes are called.

    Raises OSError where there is no Maildir, BadMailbox where there is no such folder."""

    def __init__(
        self, root: Path, name: str, hostname: str, tell: Callable[[str], object] = str, site: Site = _DEFAULT
    ) -> None:
        self.name = name
        self.shareable = True
        self._tell = tell
        self._site = site
        self._naming = site.naming
        self._stack = ExitStack()
        self._maildir = Maildir(root, hostname, Store(nested=self._naming.nested), tell)
        self._host = hostname.replace("/", r"\057").replace(":", r"\072").replace(",", r"\054")
        self._folders: dict[str, Folder] = {}
        self._root = open_root(root, create=False)
        self._stack.callback(os.close, self._root)
        self._own = self._folder(name, create=False)
        self._leaving: list[File] = []
        self._files: dict[str, File] = {}
        self._found = sorted(self._own.files(), key=lambda file: file.name)

    def size(self) -> int:
        """How many messages there were."""
        return len(self._found)

    def messages(self, part: int = 0, parts: int = 1) -> Iterator[Stored | Gone | Unusable]:
        """Those that were there, oldest first; every one of *parts* from number *part* on."""
        for file in self._found[part::parts]:
            try:
                message = load(file)
                if message is None:
                    self._own.find(file)
                    message = load(file)
            except OSError as exc:
                yield Unusable(f"{file.name}: {exc.strerror or exc}")
                continue
            except Gone as gone:
                yield gone
                continue
            if message is None:
                yield Gone()
                continue
            self._files = {file.name: file}
            yield Stored(file.name, self._own.flags(file.letters), message)

    def has(self, mailbox: str) -> bool:
        """Whether the folder exists."""
        try:
            return self._maildir.has(self._naming.directory(mailbox))
        except BadMailbox:
            return False

    def is_itself(self, mailbox: str) -> bool:
        """Whether *mailbox* is this folder."""
        try:
            return self._naming.directory(mailbox) == self._naming.directory(self.name)
        except BadMailbox:
            return False

    def special_use(self, flag: str) -> str:
        """By the name that the site has for it."""
        found = self._site.with_use(flag)
        return found if found and self.has(found) else ""

    def with_id(self, object_id: str) -> str:
        """As Dovecot has written it down."""
        return mailbox_with_id(self._maildir.root, object_id, self._naming)

    def carry_out(self, stored: Stored, fate: Fate) -> None:
        """Raises Gone, Unusable, OSError; then the message is where it was."""
        file = self._files[stored.key]
        for target in fate.copies:
            self._copy(file, stored.message, target)
        if not fate.stays:
            self._leaving.append(file)
        elif fate.message is not None:
            self._write(file, self._own, Target(mailbox=self.name, flags=fate.flags), fate.message)
            self._leaving.append(file)
        elif changed(stored.flags, fate.flags):
            self._reflag(file, fate.flags)

    def settle(self) -> int:
        """Sync what was made, then let the old names go."""
        for folder in self._folders.values():
            folder.sync()
        gone = 0
        for file in self._leaving:
            gone += not self._remove(file)
        self._leaving.clear()
        self._own.sync()
        return gone

    def close(self) -> None:
        """Close all directories."""
        self._stack.close()

    # -- one message

    def _folder(self, mailbox: str, *, create: bool) -> Folder:
        """Raises Unusable, OSError."""
        try:
            directory = self._naming.directory(mailbox)
            if directory not in self._folders:
                if create and not self._maildir.has(directory):
                    self._make(directory)
                self._folders[directory] = Folder(self._root, directory, self._stack)
            return self._folders[directory]
        except FileNotFoundError:
            raise BadMailbox(f"the mailbox {mailbox!r} does not exist") from None

    def _make(self, directory: str) -> None:
        os.close(make_folder(directory, self._root, "" if self._naming.nested else "maildirfolder"))
        try:
            subscribe(self._maildir.root, directory)
        except OSError as exc:
            self._tell(f"the new folder could not be subscribed to: {exc.strerror}")

    def _copy(self, file: File, message: Message, target: Target) -> None:
        try:
            folder = self._folder(target.mailbox, create=True)
        except BadMailbox as exc:
            raise Unusable(f"{file.name}: {exc}") from exc
        if target.message is not None:
            self._write(file, folder, target, target.message)
            return
        if file.links > 1 and file.inode in folder.inodes():
            folder.changed |= {folder.cur, folder.new}  # a run that was cut off may not have synced it
            return
        try:
            self._link(file, folder, target.flags)
        except OSError as exc:
            if exc.errno not in _NO_LINK:
                raise
            self._write(file, folder, target, message)

    def _link(self, file: File, folder: Folder, flags: tuple[str, ...]) -> None:
        labels = keywords(flags)
        with labelled(folder.fd, labels, self._tell) as marks:
            found = "".join(sorted({*letters(flags), *file.foreign})) + marks
            name = self._unique() + file.sizes + (f":2,{found}" if found else "")
            target = folder.cur if found else folder.new
            try:
                os.link(file.name, name, src_dir_fd=file.directory, dst_dir_fd=target, follow_symlinks=False)
            except FileNotFoundError:
                self._own.find(file)
                os.link(file.name, name, src_dir_fd=file.directory, dst_dir_fd=target, follow_symlinks=False)
        folder.changed.add(target)

    def _write(self, file: File, folder: Folder, target: Target, message: Message) -> None:
        """A copy with bytes of its own; it keeps the time of arrival."""
        want = Wanted(flags=letters(target.flags), keywords=keywords(target.flags), create=True)
        directory = self._naming.directory(target.mailbox)
        with self._maildir.stage(directory, b"", message.raw, want) as copy:
            copy.commit()
            place = folder.cur if want.flags or want.keywords else folder.new
            with suppress(OSError):
                os.utime(copy.name, ns=(file.time_ns, file.time_ns), dir_fd=place, follow_symlinks=False)

    def _reflag(self, file: File, flags: tuple[str, ...]) -> None:
        with labelled(self._own.fd, keywords(flags), self._tell) as marks:
            found = "".join(sorted({*letters(flags), *file.foreign})) + marks
            for last in (False, True):
                name = f"{file.base}:2,{found}"
                try:
                    os.rename(file.name, name, src_dir_fd=file.directory, dst_dir_fd=self._own.cur)
                    break
                except FileNotFoundError:
                    if last:
                        raise Gone from None
                    self._own.find(file)
        file.name, file.directory = name, self._own.cur
        self._own.changed |= {self._own.cur, self._own.new}

    def _remove(self, file: File) -> bool:
        """Whether it was still there."""
        try:
            os.unlink(file.name, dir_fd=file.directory)
        except FileNotFoundError:
            try:
                self._own.find(file)
                os.unlink(file.name, dir_fd=file.directory)
            except (Gone, FileNotFoundError):
                return False
        self._own.changed.add(file.directory)
        return True

    def _unique(self) -> str:
        now = time.time_ns()
        return f"{now // 10**9}.M{now // 1000 % 10**6:06}P{os.getpid()}Q{next(_number)}.{self._host}"


def act_as_owner(root: Path) -> None:
    """Give up root's rights for those of the owner of *root*: what we make must be theirs. Raises OSError."""
    found = root.stat()
    if os.geteuid() == 0 and found.st_uid:
        os.setgroups([])
        os.setresgid(found.st_gid, found.st_gid, found.st_gid)
        os.setresuid(found.st_uid, found.st_uid, found.st_uid)
