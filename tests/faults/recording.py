"""recording - the events for `crash` out of what ``strace -xx -s 1000000`` has written of one process. Pure.

Descriptors are followed from the calls themselves; what lies outside the watched directory is left out.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.faults.crash import ROOT, Disk, Entry, Event, Mark, Named, Node, Synced, Written

OPTIONS = ("-xx", "-s", "1000000")
_LINE = re.compile(r"(?:(\d+) +)?(\w+)\((.*)\) += (-?\d+|\?)(?:[ <].*)?")
_WORD = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_HERE = "AT_FDCWD"


@dataclass(slots=True)
class _Open:
    """A descriptor. node: None for what is not watched."""

    path: str
    node: Node | None
    offset: int = 0
    append: bool = False


@dataclass(slots=True)
class Recording:
    """Reads the calls of the process *root* is watched by. begin: what is there before."""

    root: str
    disk: Disk = field(default_factory=Disk)
    _names: dict[str, Node] = field(default_factory=dict)
    _sizes: dict[Node, int] = field(default_factory=dict)
    _open: dict[int, _Open] = field(default_factory=dict)
    _number: Iterator[int] = field(default_factory=lambda: itertools.count(ROOT + 1))

    def begin(self, tree: Mapping[str, bytes | None]) -> None:
        """tree: paths below the root, those of directories before what is in them; all of it is safe."""
        self._names[self.root] = ROOT
        for path, content in tree.items():
            node = next(self._number)
            self._names[f"{self.root}/{path}"] = node
            parent, _, name = f"{self.root}/{path}".rpartition("/")
            self.disk.names[self._names[parent]][name] = node
            if content is None:
                self.disk.names[node] = {}
            else:
                self.disk.files[node] = content
                self._sizes[node] = len(content)

    def events(self, trace: str) -> Iterator[Event]:
        """Of the one process that the trace is of, until it has answered."""
        for line in trace.splitlines():
            match = _LINE.match(line)
            if not match or match[4] == "?" or int(match[4]) < 0:
                continue
            name, words, result = match[2], _split(match[3]), int(match[4])
            if name == "sendto":
                yield Mark("answered")
                return
            handler = getattr(self, f"_{name}", None)
            if handler is not None:
                yield from handler(words, result)

    def _path(self, directory: str, word: str) -> str:
        path = _text(word).decode()
        return path if path.startswith("/") else f"{self._open[int(directory)].path}/{path}"

    def _new(self, path: str, *, directory: bool = False) -> Named | None:
        parent, _, name = path.rpartition("/")
        if parent not in self._names:
            return None
        node = self._names[path] = next(self._number)
        self._sizes[node] = 0
        return Named((Entry(self._names[parent], name, node),), node if directory else None)

    def _openat(self, words: list[str], fd: int) -> Iterator[Event]:
        path, flags = self._path(words[0], words[1]), words[2].split("|")
        if path not in self._names and "O_CREAT" in flags and (named := self._new(path)):
            yield named
            yield Written(self._names[path])
        node = self._names.get(path)
        if "O_TRUNC" in flags and node is not None and self._sizes[node]:
            self._sizes[node] = 0
            yield Written(node, size=0)
        self._open[fd] = _Open(path, node, append="O_APPEND" in flags)

    def _dup(self, words: list[str], fd: int) -> Iterator[Event]:
        self._open[fd] = self._open[int(words[0])]
        yield from ()

    def _fcntl(self, words: list[str], fd: int) -> Iterator[Event]:
        if words[1].startswith("F_DUPFD") and int(words[0]) in self._open:
            self._open[fd] = self._open[int(words[0])]
        yield from ()

    def _mkdirat(self, words: list[str], _: int) -> Iterator[Event]:
        if named := self._new(self._path(words[0], words[1]), directory=True):
            yield named

    def _mkdir(self, words: list[str], result: int) -> Iterator[Event]:
        yield from self._mkdirat([_HERE, *words], result)

    def _write(self, words: list[str], size: int) -> Iterator[Event]:
        file = self._open.get(int(words[0]))
        if file is None or file.node is None:
            return
        start = self._sizes[file.node] if file.append else file.offset
        file.offset = start + size
        yield self._written(file.node, start, _text(words[1])[:size])

    def _pwrite64(self, words: list[str], size: int) -> Iterator[Event]:
        file = self._open.get(int(words[0]))
        if file is not None and file.node is not None:
            yield self._written(file.node, int(words[3]), _text(words[1])[:size])

    def _written(self, node: Node, start: int, data: bytes) -> Written:
        self._sizes[node] = max(self._sizes[node], start + len(data))
        return Written(node, start, data)

    def _ftruncate(self, words: list[str], _: int) -> Iterator[Event]:
        node = self._open[int(words[0])].node
        if node is not None:
            self._sizes[node] = int(words[1])
            yield Written(node, size=int(words[1]))

    def _fsync(self, words: list[str], _: int) -> Iterator[Event]:
        node = self._open[int(words[0])].node
        if node is not None:
            yield Synced(node)

    _fdatasync = _fsync

    def _linkat(self, words: list[str], _: int) -> Iterator[Event]:
        old, new = self._path(words[0], words[1]), self._path(words[2], words[3])
        self._names[new] = self._names[old]
        yield Named((self._came(new),))

    def _renameat(self, words: list[str], _: int) -> Iterator[Event]:
        old, new = self._path(words[0], words[1]), self._path(words[2], words[3])
        self._names[new] = self._names[old]
        gone = self._gone(old)
        yield Named((self._came(new), gone))

    def _rename(self, words: list[str], result: int) -> Iterator[Event]:
        yield from self._renameat([_HERE, words[0], _HERE, words[1]], result)

    def _unlinkat(self, words: list[str], _: int) -> Iterator[Event]:
        path = self._path(words[0], words[1])
        if path in self._names:
            yield Named((self._gone(path),))

    def _unlink(self, words: list[str], result: int) -> Iterator[Event]:
        yield from self._unlinkat([_HERE, *words], result)

    def _vfork(self, _: list[str], __: int) -> Iterator[Event]:
        yield Mark("sent")

    def _came(self, path: str) -> Entry:
        parent, _, name = path.rpartition("/")
        return Entry(self._names[parent], name, self._names[path])

    def _gone(self, path: str) -> Entry:
        parent, _, name = path.rpartition("/")
        del self._names[path]
        return Entry(self._names[parent], name, None)


def _split(words: str) -> list[str]:
    """Arguments; no string has a comma, for all are in hexadecimal."""
    return [word.strip() for word in words.split(",")]


def _text(word: str) -> bytes:
    match = _WORD.match(word)
    assert match, word
    return bytes.fromhex(match[1].replace("\\x", ""))
