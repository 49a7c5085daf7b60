"""folders - from a mailbox's name (IMAP's sense, UTF-8) to the directory of a Maildir++ folder. Pure.

``A/B`` is ``.A.B`` below the INBOX's own directory, names in modified UTF-7 (RFC 3501 section 5.1.3); the
rules and what is refused were tried on Dovecot 2.3. It touches no file: `lda.maildir` does, and does not
follow symbolic links there.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from tamis.errors import SieveError

MAX_NAME_BYTES = 255  # NAME_MAX of Linux file systems; the folder is one directory
MAX_LEVELS = 16  # Dovecot: MAILBOX_LIST_MAX_HIERARCHY_LEVELS

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NOT_DIRECT = re.compile(r"[^\x20-\x7e]+")


class BadMailbox(SieveError):
    """A mailbox that cannot be named so, or that does not exist: the message is kept in the INBOX."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How users spell folders. separator: ``.`` (then ``/`` separates as well) or ``/`` (then a dot is
    refused).

    prefix: the namespace prefix of the INBOX's folders, such as ``INBOX.``; names may omit it."""

    separator: str = "."
    prefix: str = ""

    def directory(self, mailbox: str) -> str:
        """The folder's directory name, ``""`` for the INBOX. Raises BadMailbox."""
        if mailbox == "" or mailbox.upper() == "INBOX":
            return ""
        if _CONTROL.search(mailbox):
            raise BadMailbox("a mailbox name cannot hold control characters")
        if mailbox[0] in "~/":
            raise BadMailbox(f"a mailbox name cannot begin with {mailbox[0]!r}")
        return "." + ".".join(self._levels(self._bare(mailbox)))

    def _bare(self, mailbox: str) -> str:
        """*mailbox* without the namespace's prefix."""
        if self.prefix and mailbox[: len(self.prefix)].upper() == self.prefix.upper():
            return mailbox[len(self.prefix) :]
        return mailbox

    def _levels(self, mailbox: str) -> list[str]:
        name = mailbox.replace("/", self.separator) if self.separator == "." else mailbox
        levels = name.removesuffix(self.separator).split(self.separator)
        if not all(levels) or len(levels) > MAX_LEVELS:
            raise BadMailbox("a mailbox name needs a word on each of at most 16 levels")
        if any("." in level for level in levels):
            raise BadMailbox("a dot separates folders on disk and cannot stand in a mailbox name")
        if levels[0].upper() == "INBOX":
            levels[0] = "INBOX"
        encoded = [utf7(level) for level in levels]
        if sum(map(len, encoded)) + len(encoded) > MAX_NAME_BYTES:
            raise BadMailbox(f"a mailbox name is at most {MAX_NAME_BYTES} bytes long")
        return encoded


def utf7(text: str) -> str:
    """*text* in IMAP's modified UTF-7 (RFC 3501 section 5.1.3): ``Entwürfe`` is ``Entw&APw-rfe``."""
    return _NOT_DIRECT.sub(_shifted, text.replace("&", "&-"))


def _shifted(match: re.Match[str]) -> str:
    raw = base64.b64encode(match[0].encode("utf-16-be"), altchars=b"+,")
    return "&" + raw.rstrip(b"=").decode("ascii") + "-"
