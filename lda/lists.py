"""lists - the lists of extlists (RFC 6134): files of the site, an entry a line, read again when they change.

Blank lines and lines that begin with ``#`` are skipped; entries count without case. A list's name may be written as it
is configured, or as a URN that ends in it (``urn:ietf:params:sieve:addrbook:default``, ``tag:example.org,2024:vip``).
They are read with the rights of whoever delivers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_FILE_BYTES = 16 << 20
MAX_MEMBERS = 1000
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class _Entries:
    """What was in a file. identity: of that state of it; known: without case."""

    identity: tuple[int, int, int, int]
    members: tuple[str, ...]
    known: frozenset[str]


class Lists:
    """What the lists hold is kept until their file is another one. Raises OSError where one cannot be read."""

    def __init__(self) -> None:
        self._read: dict[Path, _Entries] = {}

    def exists(self, paths: Mapping[str, Path], name: str) -> bool:
        """Whether there is such a list. *paths*: the files, by name."""
        return self._entries(paths, name) is not None

    def find(self, paths: Mapping[str, Path], names: Sequence[str], values: Sequence[str]) -> str | None:
        """The first of *values* that is in one of the lists *names*."""
        found = [entries for name in names if (entries := self._entries(paths, name)) is not None]
        return next((value for value in values if any(value.lower() in e.known for e in found)), None)

    def members(self, paths: Mapping[str, Path], name: str) -> tuple[str, ...] | None:
        """The entries of a list, MAX_MEMBERS of them at most; None: there is no such list."""
        entries = self._entries(paths, name)
        return None if entries is None else entries.members[:MAX_MEMBERS]

    def _entries(self, paths: Mapping[str, Path], name: str) -> _Entries | None:
        path = paths.get(name) or paths.get(name.rpartition(":")[2])
        if path is None:
            return None
        try:
            fd = os.open(path, _FLAGS)
        except FileNotFoundError:
            return None
        with open(fd, "rb") as file:
            facts = os.fstat(fd)
            identity = (facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_size)
            known = self._read.get(path)
            if known is None or known.identity != identity:
                if facts.st_size > MAX_FILE_BYTES:
                    raise OSError(f"the list {path.name} is larger than {MAX_FILE_BYTES} bytes")
                known = self._read[path] = _parse(identity, file.read(MAX_FILE_BYTES))
        return known


def _parse(identity: tuple[int, int, int, int], source: bytes) -> _Entries:
    lines = (line.strip() for line in source.decode("utf-8", "surrogateescape").split("\n"))
    members = tuple(line for line in lines if line and not line.startswith("#"))
    return _Entries(identity, members, frozenset(member.lower() for member in members))
