"""passwd_file - users in Dovecot's passwd-file format.

Wire: user:password:uid:gid:gecos:home:shell:extra, where extra is blank separated ``userdb_name=value``
words; empty lines and lines that begin with ``#`` are skipped. Passwords are not kept.

The file is read again when it changed. A file that cannot be read is temporary, and so is a bad row: for
its user.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lda.users import User
from lda.users.rows import user_of
from tamis.config.schema import option
from tamis.errors import TempFail

MAX_FILE_BYTES = 64 << 20
MAX_LINE_CHARS = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswdFileConfig:
    """A passwd-file."""

    path: Path = option(Path("/etc/tamis/users"), "the file; each line is a user")
    key: Literal["address", "local"] = option("address", "what the first column holds")
    uid: int | None = option(None, "uid of lines without one", at_least=1)
    gid: int | None = option(None, "gid of lines without one", at_least=1)

    def problems(self) -> Iterator[str]:
        """Daemons have no working directory to speak of."""
        if not self.path.is_absolute():
            yield f"path: must be absolute, not {self.path}"


class PasswdFile:
    """The source."""

    def __init__(self, config: PasswdFileConfig) -> None:
        self._config = config
        self._seen: tuple[int, int, int, int] = (0, 0, 0, 0)
        self._rows: dict[str, str] = {}

    async def lookup(self, address: str) -> User | None:
        """By address or local part, in lower case if it is not there as written."""
        try:
            now = _identity(os.stat(self._config.path))
            if now != self._seen:
                self._rows = await asyncio.to_thread(_read, self._config.path)
                self._seen = now
        except OSError as exc:
            raise TempFail("4.3.0", "The list of users cannot be read") from exc
        key = address if self._config.key == "address" else address.rpartition("@")[0] or address
        for name in (key, key.lower()):
            if name in self._rows:
                return self._user(name, self._rows[name])
        return None

    def _user(self, name: str, line: str) -> User:
        uid, gid, _gecos, home, _shell, extra = (line.split(":", 5) + [""] * 6)[:6]
        row = {**_extra(extra), "uid": uid, "gid": gid, "home": home}
        return user_of(name, row, self._config.uid, self._config.gid)

    async def close(self) -> None:
        """Nothing is open."""


def _identity(stat: os.stat_result) -> tuple[int, int, int, int]:
    return stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size


def _read(path: Path) -> dict[str, str]:
    """Every line by its first column, without the password; the first of two wins, as in Dovecot. The rest
    of a line is parsed when its user gets mail."""
    rows: dict[str, str] = {}
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
            raise TempFail("4.3.5", "The list of users is too large")
        for line in file:
            name, colon, rest = line.rstrip("\r\n").partition(":")
            if colon and name and not name.startswith("#") and len(line) <= MAX_LINE_CHARS:
                rows.setdefault(name, rest.partition(":")[2])
    return rows


def _extra(text: str) -> dict[str, str]:
    """``userdb_quota_rule=*:storage=1G`` is ``quota_rule``; a word without ``=`` is true. Others are
    passdb's."""
    row = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if name.startswith("userdb_"):
            row[name.removeprefix("userdb_")] = value if equals else "yes"
    return row
