"""mailboxes - those of a user, looked at and never touched."""

from __future__ import annotations

from pathlib import Path

from lda.explain.site import Site
from lda.folders import BadMailbox
from lda.maildir import Maildir, Store
from lda.object_ids import mailbox_with_id


class UserMailboxes:
    """Those in the Maildir *root*; without one every mailbox exists that can be named."""

    def __init__(self, site: Site, root: Path | None = None) -> None:
        self._site = site
        self._naming = site.naming
        self._root = root
        self._maildir = None if root is None else Maildir(root, "", Store(nested=site.naming.nested))

    def has(self, mailbox: str) -> bool:
        """Whether the mailbox exists."""
        return not self._missing(mailbox)

    def obstacle(self, mailbox: str, *, create: bool) -> str:
        """Why no copy can be stored into the mailbox, or ""."""
        if create or self._site.maildir.autocreate:
            return self._unnamed(mailbox)
        return self._missing(mailbox)

    def special_use(self, flag: str, mailbox: str) -> str:
        """The mailbox that has the special use *flag* and is there, or "". mailbox: only that one counts; "": any."""
        found = self._site.with_use(flag)
        if not found or not self.has(found) or (mailbox and not self.has(mailbox)):
            return ""
        same = not mailbox or self._naming.directory(mailbox) == self._naming.directory(found)
        return found if same else ""

    def with_id(self, object_id: str) -> str:
        """The mailbox that has the object identifier, or ""."""
        return "" if self._root is None else mailbox_with_id(self._root, object_id, self._naming)

    def _unnamed(self, mailbox: str) -> str:
        """Why nothing can be called so, or ""."""
        try:
            self._naming.directory(mailbox)
        except BadMailbox as exc:
            return str(exc)
        return ""

    def _missing(self, mailbox: str) -> str:
        """Why it is not there, or ""."""
        if problem := self._unnamed(mailbox):
            return problem
        directory = self._naming.directory(mailbox)
        there = not directory or self._maildir is None or self._maildir.has(directory)
        return "" if there else "the mailbox does not exist"
