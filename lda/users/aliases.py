"""aliases - other addresses of a user: a file of lines ``alias: user``, read again when it changes.

Both sides are an address, or a local part: on the left it stands for every domain, on the right for the domain that was
asked for. Case does not matter on the left. ``#`` begins a comment line. An alias of itself says that there is no
extension in it, whatever delimiters it has (``mary-ann@example.org: mary-ann@example.org``). One alias is one user:
lists are the MTA's (virtual_alias_maps).

A file with mistakes is refused as a whole. Where one has been read before, that one stays in use.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lda.users.rows import is_harmless
from tamis.errors import TempFail

MAX_FILE_BYTES = 16 << 20
MAX_LINES = 500_000
MAX_STEPS = 10
MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Alias:
    """The right side of a line, and where that is."""

    user: str
    line: int


Table = Mapping[str, Alias]
"""Aliases by their left sides, in lower case."""


class Loop(Exception):
    """Aliases that lead to no user."""


def step(table: Table, address: str) -> str | None:
    """Whom *address* stands for, if the table has it as a whole or its local part."""
    local, at, domain = address.rpartition("@")
    alias = table.get(address.lower()) or (table.get(local.lower()) if at else None)
    if alias is None:
        return None
    return alias.user if "@" in alias.user or not at else f"{alias.user}@{domain}"


def parse(text: str) -> tuple[dict[str, Alias], list[tuple[int, str]]]:
    """The table, and what is wrong with the text: line and sentence."""
    table: dict[str, Alias] = {}
    problems: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if number > MAX_LINES:
            problems.append((number, f"more lines than {MAX_LINES}"))
            break
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        name, user = _sides(line)
        if complaint := _complaint(line, name, user, table):
            problems.append((number, complaint))
        else:
            table[name] = Alias(user, number)
    return table, sorted([*problems, *_loops(table)])[:MAX_PROBLEMS]


def _sides(line: str) -> tuple[str, str]:
    name, _, user = line.partition(":")
    return name.strip().lower(), user.strip()


def _complaint(line: str, name: str, user: str, table: Table) -> str:
    """What is wrong with one line; "" for nothing."""
    if ":" not in line or line[0].isspace():
        return "not a line of the form alias: user"
    if "," in user or " " in user:
        return f"an alias is one user: {user!r}"
    if not is_harmless(name) or not is_harmless(user) or name.startswith("@") or user.startswith("@"):
        return "neither side may be empty, a domain alone, or hold what cannot stand in a path"
    if name in table:
        return f"{name} is in line {table[name].line} already"
    return ""


def _loops(table: Table) -> Iterator[tuple[int, str]]:
    for name, alias in table.items():
        current, seen = name, 0
        while (following := step(table, current)) is not None and following.lower() != current:
            current, seen = following.lower(), seen + 1
            if seen > MAX_STEPS:
                yield alias.line, f"{name} leads to no user within {MAX_STEPS} steps"
                break


class Aliases:
    """The file, as it is now. tell: hears of what is wrong with it, once for each change."""

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        self._path = path
        self._tell = tell
        self._seen: tuple[int, ...] | None = None
        self._table: Table | None = None
        self._reading = asyncio.Lock()

    async def table(self) -> Table:
        """Raises TempFail if the file cannot be read and never could."""
        if self._identity() != self._seen:
            async with self._reading:
                if (identity := self._identity()) != self._seen:
                    await asyncio.to_thread(self._read)
                    self._seen = identity
        if self._table is None:
            raise TempFail("4.3.5", "The file of aliases cannot be read or has a mistake")
        return self._table

    def _identity(self) -> tuple[int, ...]:
        try:
            status = os.stat(self._path)
        except OSError as exc:
            return (exc.errno or 0,)
        return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size

    def _read(self) -> None:
        table, problems = read(self._path)
        if not problems:
            self._table = table
        for problem in problems:
            self._tell(problem)


def read(path: Path) -> tuple[dict[str, Alias], list[str]]:
    """The table, and what is wrong with the file: ``file:line: sentence``."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        text = raw.decode("utf-8")
    except OSError as exc:
        return {}, [f"{path}: {exc.strerror}"]
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        return {}, [f"{path}:{line}: not UTF-8"]
    if len(raw) > MAX_FILE_BYTES:
        return {}, [f"{path}: larger than {MAX_FILE_BYTES} bytes"]
    table, problems = parse(text)
    return table, [f"{path}:{line}: {sentence}" for line, sentence in problems]
