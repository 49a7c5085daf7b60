"""script_store - reads scripts: the user's with the user's rights, the site's with those of the site.

A user's active script is usually a symbolic link into a directory of scripts (ManageSieve): links are followed where
they stay inside the home and end at a file of the user's or of root's. A script of the site is never taken out of the
user's home, whatever links lead there. Where deliveries run in processes that have become the user, the site's scripts
are read before, by `snapshot`. What cannot be read is not skipped silently.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lda.users import User
from tamis.errors import SieveError, TempFail

MAX_SITE_SCRIPTS = 1000
MAX_SITE_BYTES = 64 << 20
_REMEMBERED, _REMEMBERED_BYTES = 1000, 16 << 10  # files, and how large each may be
_SETTLED_S = 2.0
_MISSING = {errno.ENOENT, errno.ENOTDIR}
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Unusable(SieveError):
    """A script that is there and cannot be used."""


@dataclass(frozen=True, slots=True)
class Source:
    """A script of the site. problem: why it cannot be used, then there is no text."""

    path: Path
    text: bytes = b""
    problem: str = ""


class Site(Protocol):
    """How a delivery reads the site's scripts. Raises TempFail if the disk fails."""

    def scripts(self, place: Path, user: User, limit: int) -> tuple[Source, ...]:
        """Those at *place*: the file, or the files ``*.sieve`` of the directory in the order of their bytes."""
        ...

    def script(self, path: Path, user: User, limit: int) -> bytes | None:
        """One that is included; None if there is none. Raises Unusable."""
        ...


class Files:
    """They are read when they are asked for, with our own rights."""

    def scripts(self, place: Path, user: User, limit: int) -> tuple[Source, ...]:
        """As `Site` says."""
        return tuple(source for path in members(place) if (source := _source(path, user, limit)))

    def script(self, path: Path, user: User, limit: int) -> bytes | None:
        """As `Site` says."""
        return read_site(path, user, limit)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """They have been read before. places: what lies where."""

    places: dict[Path, tuple[Source, ...]] = field(default_factory=dict)

    def scripts(self, place: Path, user: User, limit: int) -> tuple[Source, ...]:
        """As `Site` says."""
        return self.places.get(place, ())

    def script(self, path: Path, user: User, limit: int) -> bytes | None:
        """As `Site` says."""
        for source in self.places.get(path.parent, ()):
            if source.path == path:
                if source.problem:
                    raise Unusable(source.problem)
                return source.text
        return None


def snapshot(places: Iterable[Path], user: User, limit: int) -> Snapshot:
    """What lies at *places* now, but for what is the user's. Raises TempFail, also where it is too much to be carried
    along."""
    taken = {place: Files().scripts(place, user, limit) for place in places if not is_own(place, user)}
    every = [source for sources in taken.values() for source in sources]
    if len(every) > MAX_SITE_SCRIPTS or sum(len(source.text) for source in every) > MAX_SITE_BYTES:
        raise TempFail("4.3.5", "The site has too many Sieve scripts")
    return Snapshot(taken)


def members(place: Path) -> list[Path]:
    """The file, or the files ``*.sieve`` in the directory, in the order of their bytes. Raises TempFail."""
    try:
        if not place.is_dir():
            return [place]
        names = [name for name in os.listdir(os.fsencode(place)) if name.endswith(b".sieve")]
    except OSError as exc:
        raise TempFail("4.3.0", "The site's Sieve scripts cannot be read") from exc
    return [path for name in sorted(names) if not (path := place / os.fsdecode(name)).is_dir()]


def _source(path: Path, user: User, limit: int) -> Source | None:
    try:
        text = read_site(path, user, limit)
    except Unusable as exc:
        return Source(path, problem=str(exc))
    return None if text is None else Source(path, text)


def read_site(path: Path, user: User, limit: int) -> bytes | None:
    """A script of the site, for the mail of *user*; None if there is none. Raises Unusable, TempFail."""
    return _read(path, limit, user, theirs=False)


def read_own(path: Path, user: User, limit: int, known: Known) -> bytes | None:
    """A script of the user's; None if there is none. Raises Unusable, TempFail."""
    text = known.get(path, user)
    if text is not None and len(text) <= limit:
        return text
    return _read(path, limit, user, theirs=True, known=known)


def is_own(path: Path, user: User) -> bool:
    """Whether the path lies in the user's home, as it is written: then what is there is the user's."""
    return path.is_relative_to(user.home)


class Known:
    """The users' scripts as they were last time: what is the same file still is not looked for and read again.

    Of a file: device, inode, size, owner, times of change. What was changed a moment ago is not remembered, for it may
    be changed once more within the same tick of the clock. Thread-safe."""

    def __init__(self) -> None:
        self._files: dict[tuple[str, str, int], tuple[tuple[int, ...], bytes]] = {}

    def get(self, path: Path, user: User) -> bytes | None:
        """None: not known, or no more the same."""
        identity, text = self._files.get(_key(path, user), ((), b""))
        if not identity:
            return None
        try:
            return text if _identity_of(os.stat(path)) == identity else None
        except OSError:
            return None

    def put(self, path: Path, user: User, facts: os.stat_result, text: bytes) -> None:
        """It was found at *path*, and may be used."""
        if len(text) > _REMEMBERED_BYTES or time.time() - max(facts.st_mtime, facts.st_ctime) < _SETTLED_S:
            return
        if len(self._files) >= _REMEMBERED:
            self._files.clear()
        self._files[_key(path, user)] = (_identity_of(facts), text)


def _key(path: Path, user: User) -> tuple[str, str, int]:
    return str(path), str(user.home), user.uid


def _identity_of(facts: os.stat_result) -> tuple[int, ...]:
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_uid, facts.st_mtime_ns, facts.st_ctime_ns


def _read(path: Path, limit: int, user: User, *, theirs: bool, known: Known | None = None) -> bytes | None:
    try:
        real = Path(os.path.realpath(path))
        inside = real.is_relative_to(os.path.realpath(user.home))
        if theirs and not inside:
            raise Unusable("the active script is a link that leads out of the home")
        if inside and not theirs:
            raise Unusable(f"the site's script {path.name} is a link into the user's home")
        fd = os.open(real, _FLAGS)
    except OSError as exc:
        if exc.errno in _MISSING:
            return None
        if exc.errno in {errno.EACCES, errno.ELOOP}:
            raise Unusable(f"the script cannot be opened: {exc.strerror}") from exc
        raise TempFail("4.3.0", "The Sieve script cannot be read") from exc
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode) or (theirs and facts.st_uid not in {user.uid, 0}):
            raise Unusable("the script is no file of its user")
        if facts.st_size > limit:
            raise Unusable(f"the script is larger than {limit} bytes")
        with open(fd, "rb", closefd=False) as file:
            text = file.read(limit + 1)
    except OSError as exc:
        raise TempFail("4.3.0", "The Sieve script cannot be read") from exc
    finally:
        os.close(fd)
    if known:
        known.put(path, user, facts, text)
    return text
