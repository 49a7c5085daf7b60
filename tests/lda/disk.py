"""disk - what a power cut may leave behind: the calls of a delivery are recorded, and states of a disk built of them.

POSIX promises little: data of a file is safe after fsync of the file, a name after fsync of its directory. All else may
be there or not, each by itself. (Real file systems promise more; a state that they exclude does no harm here.)"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True, slots=True)
class Name:
    """A directory's entry that came (inode) or went (None). parent: the directory's own inode."""

    parent: int
    path: str
    inode: int | None


@dataclass(slots=True)
class Data:
    """A file: what was written, and what of it was synced."""

    written: bytes = b""
    synced: bytes = b""


@dataclass(slots=True)
class State:
    """All that is known at one moment. pending: names whose directory was not synced since."""

    safe: list[Name] = field(default_factory=list)
    pending: list[Name] = field(default_factory=list)
    files: dict[int, Data] = field(default_factory=dict)

    def copy(self) -> State:
        """For one moment in time."""
        files = {inode: Data(data.written, data.synced) for inode, data in self.files.items()}
        return State(list(self.safe), list(self.pending), files)

    def possible(self) -> Iterator[tuple[list[Name], bool]]:
        """Which names there may be, and whether unsynced data is: all, none, all but one, only one."""
        whole = self.pending
        choices = [whole, []]
        for index in range(len(whole)):
            choices += [whole[:index] + whole[index + 1 :], [whole[index]]]
        for chosen in choices:
            for data in (False, True):
                yield [*self.safe, *chosen], data

    def build(self, names: list[Name], data: bool, root: Path) -> None:
        """Make it on disk."""
        tree: dict[str, int] = {}
        for name in names:
            if name.inode is None:
                tree.pop(name.path, None)
            else:
                tree[name.path] = name.inode
        for path, inode in sorted(tree.items()):
            place = root / path
            if not place.parent.is_dir():
                continue  # its directory has no name
            if inode not in self.files:
                place.mkdir()
            else:
                content = self.files[inode]
                place.write_bytes(content.written if data else content.synced)


class Recorder:
    """Watches what this process does below *root*, call by call. moments: the state after each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = State()
        self.moments: list[State] = []

    @contextmanager
    def watching(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """While in the block."""
        with monkeypatch.context() as patched:
            for name in ("open", "write", "pwrite", "fsync", "link", "rename", "unlink", "mkdir"):
                patched.setattr(os, name, self._wrapped(getattr(self, f"_{name}"), getattr(os, name)))
            yield

    def _wrapped(self, note: Callable[..., None], real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            result = real(*args, **options)
            note(result, *args, **options)
            self.moments.append(self.now.copy())
            return result

        return call

    def _path(self, path: Any, dir_fd: int | None) -> str:
        above = os.readlink(f"/proc/self/fd/{dir_fd}") if dir_fd is not None else "/"
        return os.path.relpath(os.path.normpath(Path(above, path)), self.root)

    def _named(self, path: str, inode: int | None) -> None:
        if not path.startswith(".."):
            parent = (self.root / path).parent.stat().st_ino
            self.now.pending.append(Name(parent, path, inode))

    def _open(self, fd: int, path: Any, flags: int, mode: int = 0, *, dir_fd: int | None = None) -> None:
        found = os.fstat(fd)
        if flags & os.O_CREAT and found.st_ino not in self.now.files:
            self.now.files[found.st_ino] = Data()
            self._named(self._path(path, dir_fd), found.st_ino)

    def _write(self, size: int, fd: int, data: bytes) -> None:
        if file := self.now.files.get(os.fstat(fd).st_ino):
            file.written += bytes(data)[:size]

    def _pwrite(self, size: int, fd: int, data: bytes, offset: int) -> None:
        if file := self.now.files.get(os.fstat(fd).st_ino):
            old = file.written.ljust(offset, b"\0")
            file.written = old[:offset] + data + old[offset + len(data) :]

    def _fsync(self, _: None, fd: int) -> None:
        found = os.fstat(fd)
        if stat.S_ISDIR(found.st_mode):
            done = [name for name in self.now.pending if name.parent == found.st_ino]
            self.now.safe += done
            self.now.pending = [name for name in self.now.pending if name.parent != found.st_ino]
        elif file := self.now.files.get(found.st_ino):
            file.synced = file.written

    def _link(
        self, _: None, old: Any, new: Any, *, src_dir_fd: int, dst_dir_fd: int, follow_symlinks: bool
    ) -> None:
        inode = os.stat(new, dir_fd=dst_dir_fd).st_ino
        self._named(self._path(new, dst_dir_fd), inode)

    def _rename(
        self, _: None, old: Any, new: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        self._named(self._path(old, src_dir_fd), None)
        self._named(self._path(new, dst_dir_fd), os.stat(new, dir_fd=dst_dir_fd).st_ino)

    def _unlink(self, _: None, path: Any, *, dir_fd: int | None = None) -> None:
        self._named(self._path(path, dir_fd), None)

    def _mkdir(self, _: None, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        self._named(self._path(path, dir_fd), os.stat(path, dir_fd=dir_fd).st_ino)


def start_from(root: Path) -> State:
    """What is there before, all of it safe."""
    state = State()
    for path in sorted(root.rglob("*")):
        found = path.stat()
        state.safe.append(Name(path.parent.stat().st_ino, str(path.relative_to(root)), found.st_ino))
        if path.is_file():
            content = path.read_bytes()
            state.files[found.st_ino] = Data(content, content)
    return state


def rebuilt(state: State, names: list[Name], data: bool, root: Path) -> None:
    """*root* as a power cut has left it."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    state.build(names, data, root)
