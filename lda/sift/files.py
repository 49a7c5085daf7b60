"""files - the files of one Maildir folder: what their names say, and where they are when a reader renames them."""

from __future__ import annotations

import bz2
import lzma
import mmap
import os
import re
import stat
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from lda.directories import open_below, open_inner, opened
from lda.sift.mailbox import Gone
from tamis.mail.message import Message

MAX_READ_BYTES = 128 << 10
MAX_UNPACKED_BYTES = 256 << 20
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FLAGS = {"D": "\\Draft", "F": "\\Flagged", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted"}
_SIZES = re.compile(r",[A-Z]=[0-9]+")
_KEYWORD = re.compile(r"([0-9]+) (\S+)")


@dataclass(slots=True)
class File:
    """One message's file. base: the part of its name that no reader changes. letters: the rest of it.

    inode, links, time_ns: known once it was loaded."""

    directory: int
    name: str
    base: str
    letters: str
    inode: int = 0
    links: int = 1
    time_ns: int = 0

    @property
    def sizes(self) -> str:
        """``,S=123,W=127``, as the name has it."""
        return "".join(_SIZES.findall(self.base))

    @property
    def foreign(self) -> str:
        """Letters that are no flags of IMAP's (``P``), which stay."""
        return "".join(letter for letter in self.letters if letter.isupper() and letter not in _FLAGS)


class Folder:
    """One folder, its directories held open. changed: those that must be synced."""

    def __init__(self, root: int, directory: str, stack: ExitStack) -> None:
        """Raises OSError."""
        self.fd = opened(stack, open_below(directory, root)) if directory else root
        self.cur, self.new = open_inner(self.fd, "cur", stack), open_inner(self.fd, "new", stack)
        self.changed: set[int] = set()
        self._keywords = _keywords_of(self.fd)
        self._inodes: set[int] | None = None

    def files(self) -> Iterator[File]:
        """All messages as they are named now."""
        for directory in (self.new, self.cur):
            for name in os.listdir(directory):
                if name[0] != ".":
                    base, _, letters = name.partition(":2,")
                    yield File(directory, name, base, letters)

    def find(self, file: File) -> None:
        """Look where a reader has put *file*. Raises Gone."""
        for found in self.files():
            if found.base == file.base:
                file.directory, file.name, file.letters = found.directory, found.name, found.letters
                return
        raise Gone

    def flags(self, letters: str) -> tuple[str, ...]:
        """The flags and keywords that *letters* stand for."""
        if not letters:
            return ()
        found = (_FLAGS.get(letter) or self._keywords.get(letter) for letter in letters)
        return tuple(flag for flag in found if flag)

    def inodes(self) -> set[int]:
        """Of the messages in it."""
        if self._inodes is None:
            entries = (entry for fd in (self.new, self.cur) for entry in os.scandir(fd))
            self._inodes = {entry.inode() for entry in entries}
        return self._inodes

    def sync(self) -> None:
        """Make every new name durable."""
        for directory in self.changed:
            os.fsync(directory)
        self.changed.clear()


def load(file: File) -> Message | None:
    """The message; None if the file is not there. Raises OSError."""
    try:
        fd = os.open(file.name, _OPEN, dir_fd=file.directory)
    except FileNotFoundError:
        return None
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(0, "this is no file")
        file.inode, file.links, file.time_ns = facts.st_ino, facts.st_nlink, facts.st_mtime_ns
        if facts.st_size <= MAX_READ_BYTES:
            raw: bytes | mmap.mmap = os.read(fd, facts.st_size) if facts.st_size else b""
        else:
            raw = mmap.mmap(fd, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(fd)
    return Message(_unpacked(raw))


def _unpacked(raw: bytes | mmap.mmap) -> bytes | mmap.mmap:
    """What Dovecot's zlib plugin has compressed, as it was. Raises OSError."""
    start = raw[:6]
    try:
        if start.startswith(b"\x1f\x8b"):
            unpacked = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(raw, MAX_UNPACKED_BYTES)
        elif start.startswith(b"BZh"):
            unpacked = bz2.BZ2Decompressor().decompress(raw, MAX_UNPACKED_BYTES)
        elif start == b"\xfd7zXZ\0":
            unpacked = lzma.LZMADecompressor().decompress(raw, MAX_UNPACKED_BYTES)
        else:
            return raw
    except (zlib.error, lzma.LZMAError, EOFError) as exc:
        raise OSError(0, "it is compressed and cannot be read") from exc
    return unpacked


def _keywords_of(folder: int) -> dict[str, str]:
    """Which letter is which keyword, from dovecot-keywords."""
    try:
        fd = os.open("dovecot-keywords", _OPEN, dir_fd=folder)
    except OSError:
        return {}
    with open(fd, "rb") as file:
        lines = file.read(64 << 10).decode("ascii", "replace").splitlines()
    found = (_KEYWORD.fullmatch(line) for line in lines)
    return {
        chr(97 + int(match[1])): match[2]
        for match in found
        if match and len(match[1]) < 3 and int(match[1]) < 26
    }
