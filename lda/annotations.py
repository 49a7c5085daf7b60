"""annotations - what Dovecot stores for IMAP METADATA (RFC 5464): ``mail_attribute_dict = file:%h/dovecot-attributes``.

The file holds a key and a value on a line each; ``\\x01`` followed by ``1``, ``n``, ``r``, ``t`` or ``0`` stands for
that byte. A key is ``priv/GUID/name`` or ``shared/GUID/name``, with the GUID that the first line of the mailbox's
dovecot-uidlist has; the server's are the INBOX's, below a name of their own. Tried on Dovecot 2.3. Read only.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from lda.object_ids import guid_of

MAX_FILE_BYTES = 4 << 20
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ESCAPE = re.compile(rb"\x01(.)", re.DOTALL)
_MEANT = {b"0": b"\0", b"1": b"\x01", b"t": b"\t", b"r": b"\r", b"n": b"\n"}
_SERVER = "vendor/vendor.dovecot/pvt/server/"
_KINDS = {"private": "priv", "shared": "shared"}


class Annotations:
    """Those in the file at *path*. Raises OSError where it cannot be read."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._found: dict[str, str] | None = None

    def value(self, directory: Path, name: str, *, server: bool = False) -> str | None:
        """The annotation *name* (``/private/comment``) of the mailbox in *directory*; None if there is none.

        server: one of the server's; *directory* is then the INBOX's."""
        kind, _, rest = name.lower().lstrip("/").partition("/")
        if self._path is None or kind not in _KINDS or not rest:
            return None
        guid = guid_of(directory)
        if not guid:
            return None
        return self._all(self._path).get(f"{_KINDS[kind]}/{guid}/{_SERVER if server else ''}{rest}")

    def _all(self, path: Path) -> dict[str, str]:
        """Read once, when first asked for."""
        if self._found is None:
            self._found = _parse(_read(path))
        return self._found


def _read(path: Path) -> bytes:
    """The file; b"" if there is none."""
    try:
        fd = os.open(path, _FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    with open(fd, "rb") as file:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(f"{path.name} is no file")
        if facts.st_size > MAX_FILE_BYTES:
            raise OSError(f"{path.name} is larger than {MAX_FILE_BYTES} bytes")
        return file.read(MAX_FILE_BYTES)


def _parse(raw: bytes) -> dict[str, str]:
    lines = raw.split(b"\n")
    return {_text(key).lower(): _text(value) for key, value in zip(lines[::2], lines[1::2], strict=False)}


def _text(raw: bytes) -> str:
    return _ESCAPE.sub(lambda match: _MEANT.get(match[1], match[1]), raw).decode("utf-8", "surrogateescape")
