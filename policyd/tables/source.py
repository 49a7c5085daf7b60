"""source - a table in a file, read again when the file has changed.

A file that has become unreadable or wrong leaves the old table in force, and the log says why. A file is looked at
no more than once in `LOOK_S`, and read only when two looks in a row found it the same: one that is being written
would be a list that lacks its end.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Protocol

from policyd.tables.keyed import Kind, read_keyed
from policyd.tables.lines import BadTable
from policyd.tables.networks import CidrReader
from policyd.tables.nodes import Found, Node, Reader, first, read_nodes
from policyd.tables.regexp import RegexpReader
from policyd.tables.rule import Author
from tamis.errors import TempFail
from tamis.log import Log
from tamis.transaction import Stage

LOOK_S = 1.0
MAX_FILE_BYTES = 256 << 20

ORDERED: dict[str, type[Reader]] = {"cidr": CidrReader, "regexp": RegexpReader, "pcre": RegexpReader}
KEYED = (
    "texthash",
    "hash",
    "btree",
    "lmdb",
    "cdb",
)  # of those that postmap compiles it is the source that is read

_Stamp = tuple[int, int, int, int]


class Table(Protocol):
    """What is searched."""

    def find(self, value: str) -> Found | None:
        """The rule for *value*, and what was captured."""
        ...


class Ordered:
    """A table that is searched from top to bottom."""

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        self._nodes = nodes

    def find(self, value: str) -> Found | None:
        """See `Table.find`."""
        return first(self._nodes, value)


class Source:
    """One file. spec: ``cidr:/path``, ``regexp:/path``, ``texthash:/path`` ..., as Postfix writes it.

    author: makes its rules, by default those of actions."""

    def __init__(
        self, spec: str, kind: Kind, stages: frozenset[Stage], author: type[Author] = Author
    ) -> None:
        self.type, _, path = spec.partition(":")
        self.path = Path(path)
        self._kind = kind
        self._author = author(self.path.name, stages)
        self._table: Table | None = None
        self._read: _Stamp | None = None
        self._seen: _Stamp | None = None
        self._looked_s = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    def problem(self) -> str:
        """What is wrong with the spec; "" for nothing."""
        if self.type not in ORDERED and self.type not in KEYED:
            return f"{self.type!r} is none of {', '.join((*ORDERED, *KEYED))}"
        return "" if self.path.is_absolute() else f"{self.path} must be an absolute path"

    def faults(self) -> list[str]:
        """All that is wrong with the spec or the file, which is read."""
        if fault := self.problem():
            return [fault]
        try:
            self.load()
        except (OSError, BadTable) as exc:
            return described(self.path, exc)
        return []

    def load(self) -> None:
        """Read the file. Raises OSError, and BadTable with all that is wrong."""
        stamp = _stamp(self.path)
        if stamp[1] > MAX_FILE_BYTES:
            raise BadTable([f"0: longer than {MAX_FILE_BYTES >> 20} MiB"])
        text = self.path.read_bytes().decode("utf-8", "surrogateescape")
        reader = ORDERED.get(self.type)
        table: Table
        if reader is None:
            table = read_keyed(text, self._kind, self._author)
        else:
            table = Ordered(read_nodes(text, reader(), self._author))
        self._table, self._read = table, stamp

    def current(self, now_s: float, log: Log) -> Table:
        """The table in force. A changed file is read beside this request. Raises TempFail before there is one."""
        if self._table is None:
            self._first(log)
        elif not 0 <= now_s - self._looked_s < LOOK_S:
            self._looked_s = now_s
            self._look(log)
        assert self._table is not None
        return self._table

    def _first(self, log: Log) -> None:
        try:
            self.load()
        except (OSError, BadTable) as exc:
            self._complain(exc, log)
            raise TempFail("4.3.5", "A table cannot be read") from exc
        self._seen = self._read

    def _look(self, log: Log) -> None:
        try:
            stamp: _Stamp | None = _stamp(self.path)
        except OSError as exc:
            stamp = None
            if self._seen is not None:
                self._complain(exc, log)
        settled, self._seen = stamp == self._seen, stamp
        if settled and stamp is not None and stamp != self._read and self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._again(stamp, log))

    async def _again(self, stamp: _Stamp, log: Log) -> None:
        try:
            await asyncio.to_thread(self.load)
            log.info("table read again", file=str(self.path))
        except (OSError, BadTable) as exc:
            self._read = stamp  # not again before it changes
            self._complain(exc, log)
        finally:
            self._reading = None

    def _complain(self, exc: OSError | BadTable, log: Log) -> None:
        for text in described(self.path, exc):
            log.error("table not read, the old one stays", error=text)


def described(path: Path, exc: OSError | BadTable) -> list[str]:
    """``file:line: sentence`` for each fault."""
    if isinstance(exc, OSError):
        return [f"{path}: {exc.strerror}"]
    return [f"{path}:{problem}".replace(":0: ", ": ", 1) for problem in exc.problems]


def _stamp(path: Path) -> _Stamp:
    stat = os.stat(path)
    return stat.st_mtime_ns, stat.st_size, stat.st_ino, stat.st_ctime_ns
