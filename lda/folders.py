"""folders - from a mailbox's name (IMAP's sense, UTF-8) to the directory of its folder. Pure.

In the Maildir++ layout ``A/B`` is ``.A.B`` below the INBOX's own directory, in Dovecot's ``fs`` layout it is
``A/B``. Names on disk are in modified UTF-7 (RFC 3501 section 5.1.3) or in UTF-8. The rules and what is refused
were tried on Dovecot 2.3. It touches no file: `lda.maildir` does, and does not follow symbolic links there.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from tamis.errors import SieveError

MAX_NAME_BYTES = 255  # NAME_MAX of Linux file systems; the folder is one directory
SUBDIRECTORIES = ("cur", "new", "tmp")
MAX_LEVELS = 16  # Dovecot: MAILBOX_LIST_MAX_HIERARCHY_LEVELS

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NOT_DIRECT = re.compile(r"[^\x20-\x7e]+")


class BadMailbox(SieveError):
    """A mailbox that cannot be named so, or that does not exist: the message is kept in the INBOX."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How users spell folders, and the disk. separator: one character between levels; ``/`` separates as well.

    prefix: the namespace prefix of the INBOX's folders, such as ``INBOX.``; names may omit it. nested: the
    ``fs`` layout. utf8: names on disk are in UTF-8."""

    separator: str = "."
    prefix: str = ""
    nested: bool = False
    utf8: bool = False

    def directory(self, mailbox: str) -> str:
        """The folder's directory below the INBOX's, ``""`` for the INBOX. Raises BadMailbox."""
        if mailbox == "" or mailbox.upper() == "INBOX":
            return ""
        if _CONTROL.search(mailbox):
            raise BadMailbox("a mailbox name cannot hold control characters")
        if mailbox[0] in "~/":
            raise BadMailbox(f"a mailbox name cannot begin with {mailbox[0]!r}")
        name = self._bare(mailbox.replace("/", self.separator))
        if name.upper() == "INBOX" and name != mailbox:
            return ""
        levels = self._levels(name)
        return "/".join(levels) if self.nested else "." + ".".join(levels)

    def _bare(self, mailbox: str) -> str:
        """*mailbox* without the namespace's prefix."""
        prefix = self.prefix.replace("/", self.separator)
        if prefix and mailbox[: len(prefix)].upper() == prefix.upper():
            return mailbox[len(prefix) :]
        return mailbox

    def _levels(self, mailbox: str) -> list[str]:
        levels = mailbox.removesuffix(self.separator).split(self.separator)
        if not all(levels) or len(levels) > MAX_LEVELS:
            raise BadMailbox("a mailbox name needs a word on each of at most 16 levels")
        for level in levels:
            self._check(level)
        if levels[0].upper() == "INBOX":
            levels[0] = "INBOX"
        encoded = levels if self.utf8 else [utf7(level) for level in levels]
        sizes = [len(level.encode()) for level in encoded]
        if max(sizes) > MAX_NAME_BYTES or (not self.nested and sum(sizes) + len(sizes) > MAX_NAME_BYTES):
            raise BadMailbox(f"a mailbox name is at most {MAX_NAME_BYTES} bytes long")
        return encoded

    def _check(self, level: str) -> None:
        """Raises BadMailbox for what means something else on disk."""
        if "/" in level:
            raise BadMailbox("a slash separates folders on disk and cannot stand in a mailbox name")
        if not self.nested and "." in level:
            raise BadMailbox("a dot separates folders on disk and cannot stand in a mailbox name")
        if self.nested and level[0] in ".~":
            raise BadMailbox(f"no level of a mailbox name can begin with {level[0]!r} here")
        if self.nested and level in SUBDIRECTORIES:
            raise BadMailbox(f"{level!r} is part of every folder and cannot be one")


def utf7(text: str) -> str:
    """*text* in IMAP's modified UTF-7 (RFC 3501 section 5.1.3): ``Entwürfe`` is ``Entw&APw-rfe``."""
    return _NOT_DIRECT.sub(_shifted, text.replace("&", "&-"))


def _shifted(match: re.Match[str]) -> str:
    raw = base64.b64encode(match[0].encode("utf-16-be"), altchars=b"+,")
    return "&" + raw.rstrip(b"=").decode("ascii") + "-"
