"""crash - what a power cut may leave of a sequence of calls. Pure: events go in, states of a disk come out.

What is promised is little: a file's data is safe after fsync of the file, a name after fsync of the directory that it
is in (not by fsync of the file, though ext4 does that too). Until then each call's names may have come to the disk or
not, in any order; a rename leaves the new name where it takes the old one away; of a file's data there may be any
beginning, and zeros where its length came and the data did not. Real file systems promise more: a state that they
exclude does no harm here.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

ROOT = 0
_BLOCK_BYTES = 4096
_SHORT_BYTES = 300
"""A write up to this size is cut at every byte."""

Node = int
State = dict[str, bytes | None]
"""Paths, and the contents of files; None for a directory."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in the directory *parent* that came, or went: then there is no node."""

    parent: Node
    name: str
    node: Node | None


@dataclass(frozen=True, slots=True)
class Named:
    """One call's changes of names; those that came before those that went. directory: a new one."""

    entries: tuple[Entry, ...]
    directory: Node | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """Data that was written into a file. size: what the file was cut to instead."""

    node: Node
    offset: int = 0
    data: bytes = b""
    size: int = -1

    def on(self, old: bytes) -> bytes:
        """The file after it."""
        if self.size >= 0:
            return old[: self.size].ljust(self.size, b"\0")
        old = old.ljust(self.offset, b"\0")
        return old[: self.offset] + self.data + old[self.offset + len(self.data) :]


@dataclass(frozen=True, slots=True)
class Synced:
    """fsync of a file or a directory."""

    node: Node


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that is no matter of this disk: "answered", "sent"."""

    what: str


Event = Named | Written | Synced | Mark


@dataclass(slots=True)
class Disk:
    """As it is at one moment: what is safe, and what is not yet, in the order of the calls."""

    names: dict[Node, dict[str, Node]] = field(default_factory=lambda: {ROOT: {}})
    files: dict[Node, bytes] = field(default_factory=dict)
    waiting: list[Named] = field(default_factory=list)
    unsynced: dict[Node, list[Written]] = field(default_factory=dict)
    marks: set[str] = field(default_factory=set)

    def happens(self, event: Event) -> None:
        """One more call."""
        match event:
            case Named():
                self.waiting.append(event)
                if event.directory is not None:
                    self.names[event.directory] = {}
            case Written():
                self.files.setdefault(event.node, b"")
                self.unsynced.setdefault(event.node, []).append(event)
            case Synced(node=node) if node in self.names:
                self._sync_names(node)
            case Synced(node=node):
                for written in self.unsynced.pop(node, []):
                    self.files[node] = written.on(self.files[node])
            case Mark(what=what):
                self.marks.add(what)

    def _sync_names(self, directory: Node) -> None:
        left = []
        for named in self.waiting:
            gone = any(entry.parent == directory and entry.node is None for entry in named.entries)
            rest = tuple(
                entry for entry in named.entries
                if entry.parent != directory and not (gone and entry.node is not None)
            )  # fmt: skip
            for entry in named.entries:
                if entry not in rest:
                    _apply(self.names, entry)
            if rest:
                left.append(replace(named, entries=rest))
        self.waiting = left

    def states(self, dice: random.Random, limit: int) -> Iterator[State]:
        """What a power cut may leave now; where there are many, about *limit* of them and all of the simple ones."""
        whole = {node: _after(self.files[node], written) for node, written in self.unsynced.items()}
        simple = list(self._in_order())
        for names in itertools.chain(simple, self._subsets(dice, limit)):
            yield self._tree(names, whole)
            yield self._tree(names, {})
        variants = {node: list(self._contents(node)) for node in self.unsynced}
        for names in {simple[-1], *simple[-3:]}:
            for node, contents in variants.items():
                for content in contents:
                    yield self._tree(names, {**whole, node: content})
        for _ in range(limit if variants else 0):
            data = {node: dice.choice(contents) for node, contents in variants.items()}
            yield self._tree(self._some(dice), data)

    def _in_order(self) -> Iterator[tuple[Entry, ...]]:
        """The first calls have come to the disk, the others not."""
        for count in range(len(self.waiting) + 1):
            yield tuple(entry for named in self.waiting[:count] for entry in named.entries)

    def _subsets(self, dice: random.Random, limit: int) -> Iterator[tuple[Entry, ...]]:
        """All, or *limit* of them."""
        choices = [_choices(named) for named in self.waiting]
        if 3 ** len(choices) <= limit:
            for chosen in itertools.product(*choices):
                yield tuple(itertools.chain.from_iterable(chosen))
            return
        for _ in range(limit):
            yield self._some(dice)

    def _some(self, dice: random.Random) -> tuple[Entry, ...]:
        chosen = (dice.choice(_choices(named)) for named in self.waiting)
        return tuple(itertools.chain.from_iterable(chosen))

    def _contents(self, node: Node) -> Iterator[bytes]:
        """What a file may hold of which not all is synced."""
        content = self.files[node]
        yield content
        for written in self.unsynced[node]:
            size = len(written.data)
            short = range(1, size) if size <= _SHORT_BYTES else (1, size // 2, size - 1)
            for cut in {*short, *range(_BLOCK_BYTES, size, _BLOCK_BYTES)}:
                begun = replace(written, data=written.data[:cut])
                yield begun.on(content)
                yield begun.on(content).ljust(len(written.on(content)), b"\0")
            content = written.on(content)
            yield content
        yield self.files[node].ljust(len(content), b"\0")

    def _tree(self, entries: tuple[Entry, ...], data: Mapping[Node, bytes]) -> State:
        names = {directory: dict(inside) for directory, inside in self.names.items()}
        for entry in entries:
            _apply(names, entry)
        state: State = {}

        def look(directory: Node, path: str) -> None:
            for name, node in names[directory].items():
                if node in names:
                    state[path + name] = None
                    look(node, f"{path}{name}/")
                else:
                    state[path + name] = data.get(node, self.files.get(node, b""))

        look(ROOT, "")
        return state


def _after(content: bytes, written: list[Written]) -> bytes:
    for one in written:
        content = one.on(content)
    return content


def _apply(names: dict[Node, dict[str, Node]], entry: Entry) -> None:
    if entry.node is None:
        names[entry.parent].pop(entry.name, None)
    else:
        names[entry.parent][entry.name] = entry.node


def _choices(named: Named) -> list[tuple[Entry, ...]]:
    """What of one call may be on the disk: nothing, all, or the names that came."""
    came = tuple(entry for entry in named.entries if entry.node is not None)
    return [(), named.entries, came] if came and came != named.entries else [(), named.entries]
