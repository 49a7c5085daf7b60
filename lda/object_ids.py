"""object_ids - which mailbox of a Maildir has which object identifier (RFC 8474).

It is the GUID that Dovecot has written into the first line of the folder's dovecot-uidlist: what its IMAP server calls
MAILBOXID (2.4) or X-GUID (2.3). A folder that Dovecot has not opened yet, or whose control files are elsewhere
(``CONTROL=``), has none. Read only; symbolic links are not followed.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterator
from pathlib import Path

from lda.folders import MAX_LEVELS, SUBDIRECTORIES, BadMailbox, Naming

MAX_FOLDERS = 10_000
_HEADER_BYTES = 512
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_GUID = re.compile(rb"3 [^\n]*\bG([0-9a-f]{32})[ \n]")
_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")


def mailbox_with_id(root: Path, object_id: str, naming: Naming) -> str:
    """The name of the mailbox that has it; "" if there is none. *root*: the directory of the INBOX."""
    if not object_id:
        return ""
    if guid_of(root) == object_id:
        return "INBOX"
    for count, directory in enumerate(_folders(root, naming.nested)):
        if count >= MAX_FOLDERS:
            break
        if guid_of(root / directory) == object_id:
            return _name(directory, naming)
    return ""


def guid_of(directory: Path) -> str:
    """The identifier of the mailbox in *directory*; "" without one."""
    try:
        fd = os.open(directory / "dovecot-uidlist", _FLAGS)
    except OSError:
        return ""
    with open(fd, "rb") as file:
        match = _GUID.match(file.readline(_HEADER_BYTES))
    return match[1].decode("ascii") if match else ""


def _folders(root: Path, nested: bool) -> Iterator[str]:
    if nested:
        yield from _below(root, "", MAX_LEVELS)
    else:
        yield from (name for name in _directories(root) if name.startswith(".") and len(name) > 1)


def _below(root: Path, path: str, levels: int) -> Iterator[str]:
    for name in _directories(root / path):
        if levels and not name.startswith(".") and name not in SUBDIRECTORIES:
            inner = f"{path}/{name}" if path else name
            yield inner
            yield from _below(root, inner, levels - 1)


def _directories(path: Path) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _name(directory: str, naming: Naming) -> str:
    """How the user would spell it; "" for a directory that no name leads to."""
    levels = directory.split("/") if naming.nested else directory[1:].split(".")
    try:
        name = naming.separator.join(levels if naming.utf8 else map(_decoded, levels))
        return name if naming.directory(name) == directory else ""
    except (BadMailbox, ValueError):
        return ""


def _decoded(level: str) -> str:
    """Modified UTF-7 (RFC 3501 section 5.1.3) as text. Raises ValueError."""
    return _SHIFTED.sub(_unshifted, level)


def _unshifted(match: re.Match[str]) -> str:
    if not match[1]:
        return "&"
    padded = match[1] + "=" * (-len(match[1]) % 4)
    try:
        return base64.b64decode(padded, altchars=b"+,", validate=True).decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise ValueError("no modified UTF-7") from exc
