"""cabinet - held messages as files: one each, a line of JSON that tells its story, then the message, octet for octet.

A message is there when it has its name and the disk has both; before that it is a file with a dot, that nobody counts.
A change is a new file in the place of the old one. Names say the day and are never used again: 261124-9f3ac21b07.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from mmap import mmap
from pathlib import Path
from typing import Any

MAX_LINE_BYTES = 4 << 20  # 10,000 recipients
STALE_S = 3600.0

_NAME = re.compile(r"[0-9]{6}-[0-9a-f]{10}")
_PIECE_BYTES = 1 << 20
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is known of a held message. time_s: since the epoch; recipients: those who have not got it yet;
    silent: those of whom nobody shall hear."""

    id: str
    time_s: float
    sender: str
    recipients: tuple[str, ...]
    silent: tuple[str, ...] = ()
    check: str = ""
    reason: str = ""
    text: str = ""
    score: float = 0.0
    tags: tuple[str, ...] = ()
    author: str = ""
    subject: str = ""
    message_id: str = ""
    queue_id: str = ""
    client_address: str = ""
    client_name: str = ""
    helo_name: str = ""
    sasl_username: str = ""
    size_bytes: int = 0


class Gone(LookupError):
    """There is no such message."""


def new_id(now_s: float) -> str:
    """A name for a message."""
    return f"{time.strftime('%y%m%d', time.gmtime(now_s))}-{secrets.token_hex(5)}"


class Cabinet:
    """The directory. Methods raise OSError where the disk says no, and Gone."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def put(self, held: Held, raw: bytes | mmap) -> None:
        """Keep *raw*: when this returns, it is on the disk."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        self._write(held, raw, 0)

    def free_bytes(self) -> int:
        """What others may still write to its disk."""
        place = self.directory if self.directory.exists() else self.directory.parent
        found = os.statvfs(place)
        return found.f_bavail * found.f_frsize

    def all(self) -> Iterator[Held]:
        """The messages, oldest first. What is none is left out."""
        found = []
        for name in os.listdir(self.directory) if self.directory.exists() else ():
            with suppress(Gone, ValueError):
                found.append(self.get(name))
        yield from sorted(found, key=lambda held: (held.time_s, held.id))

    def get(self, name: str) -> Held:
        """What is known of a message. Raises Gone, and ValueError for a file that is none of ours."""
        with self._open(name) as fd:
            return _story(fd)[0]

    def raw(self, name: str) -> bytes:
        """The message."""
        with self._open(name) as fd:
            return _rest(fd, _story(fd)[1])

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else lets a message go meanwhile: none goes out twice."""
        fd = os.open(self.directory, _DIRECTORY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def leave(self, held: Held, recipients: tuple[str, ...]) -> None:
        """Only *recipients* have not got it yet; for none of them it is deleted."""
        if not recipients:
            self.remove(held.id)
            return
        with self._open(held.id) as fd:
            story, start = _story(fd)
            self._write(replace(story, recipients=recipients), _rest(fd, start), os.fstat(fd).st_mode & 0o777)

    def remove(self, name: str) -> None:
        """Delete it. Raises Gone."""
        if not _NAME.fullmatch(name):
            raise Gone(name)
        try:
            (self.directory / name).unlink()
        except FileNotFoundError:
            raise Gone(name) from None
        self._sync()

    def expire(self, before_s: float) -> int:
        """Delete what came before then, and what was left half written; how many there were."""
        count = 0
        for held in list(self.all()):
            if held.time_s < before_s:
                with suppress(Gone):
                    self.remove(held.id)
                    count += 1
        for path in self.directory.glob(".new-*") if self.directory.exists() else ():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - STALE_S:
                    path.unlink()
        return count

    def note(self, name: str, data: bytes) -> None:
        """Write a file of ours beside the messages, ``.digest``, as a whole or not at all."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        self._replace(self.directory / name, [data], 0o600)

    def _write(self, held: Held, raw: bytes | mmap, mode: int) -> None:
        line = json.dumps(asdict(held), separators=(",", ":")).encode("ascii") + b"\n"
        pieces = (raw[start : start + _PIECE_BYTES] for start in range(0, len(raw), _PIECE_BYTES))
        self._replace(self.directory / held.id, (line, *pieces), mode or 0o600)

    def _replace(
        self, path: Path, pieces: Iterator[bytes] | tuple[bytes, ...] | list[bytes], mode: int
    ) -> None:
        new = self.directory / f".new-{secrets.token_hex(8)}"
        fd = os.open(new, _NEW, mode)
        try:
            with open(fd, "wb") as file:
                file.writelines(pieces)
                file.flush()
                self._give_away(fd)
                os.fsync(fd)
            new.rename(path)
        except BaseException:
            with suppress(OSError):
                new.unlink()
            raise
        self._sync()

    def _give_away(self, fd: int) -> None:
        """What root writes belongs to whom the directory belongs to."""
        owner = os.stat(self.directory)
        if os.geteuid() == 0 and owner.st_uid != 0:
            os.fchown(fd, owner.st_uid, owner.st_gid)

    def _sync(self) -> None:
        fd = os.open(self.directory, _DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    @contextmanager
    def _open(self, name: str) -> Iterator[int]:
        if not _NAME.fullmatch(name):
            raise Gone(name)
        try:
            fd = os.open(self.directory / name, _READ)
        except OSError as exc:
            if exc.errno not in (errno.ENOENT, errno.ELOOP):
                raise
            raise Gone(name) from None
        try:
            yield fd
        finally:
            os.close(fd)


def _story(fd: int) -> tuple[Held, int]:
    """The first line, and where the message begins."""
    os.lseek(fd, 0, os.SEEK_SET)
    with open(os.dup(fd), "rb") as file:
        line = file.readline(MAX_LINE_BYTES)
    found = json.loads(line)
    known = {field.name for field in fields(Held)}
    try:
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in found.items()
            if name in known
        }
        return Held(**values), len(line)
    except (TypeError, AttributeError) as exc:
        raise ValueError("not a held message") from exc


def _rest(fd: int, start: int) -> bytes:
    with open(os.dup(fd), "rb") as file:
        file.seek(start)
        return file.read()
