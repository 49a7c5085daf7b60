"""exempt - who is never asked to wait: lists of the configuration, and the whitelist files of postgrey.

    clients         192.0.2.7   192.0.2 (the same as 192.0.2.0/24)   example.org with all below   /regular expression/
    recipients      ann@example.org   postmaster@   example.org with all below   /regular expression/

Names of clients are those that Postfix has confirmed. Expressions are RE2's, small and capital letters alike; a line
of postgrey that RE2 does not take is told when the configuration loads.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from policyd.tables.keyed import Keyed, Kind, checked, keyed
from policyd.tables.lines import BadLine
from policyd.tables.nodes import Match
from policyd.tables.regexp import RegexpReader
from policyd.tables.rule import Rule

MAX_FILE_BYTES = 16 << 20
MAX_EXPRESSIONS = 2000  # each is tried for every client

_RULE = Rule("exempt", allows=True)
_COMMENT = re.compile(r"(?:^|\s)#.*")


@dataclass(frozen=True, slots=True)
class Exempt:
    """A set of clients or recipients. faults: what is wrong with its entries, ``place: sentence`` each."""

    keys: Keyed
    expressions: tuple[Match, ...]
    faults: tuple[str, ...]

    def holds(self, *values: str) -> bool:
        """Whether one of *values* belongs to it; empty ones do not."""
        return any(
            self.keys.find(value) is not None or any(match(value) is not None for match in self.expressions)
            for value in values
            if value
        )


def exempt(kind: Kind, key: str, entries: Iterable[str], file_key: str, files: Iterable[Path]) -> Exempt:
    """From the options *key*, a list, and *file_key*, files of postgrey. Bad entries are faults and left out."""
    good: list[tuple[str, Rule]] = []
    expressions: list[Match] = []
    faults: list[str] = []
    for place, entry in _entries(key, entries, file_key, files, faults):
        try:
            if entry.startswith("/"):
                expressions.append(_expression(entry))
            else:
                checked(entry, kind)
                good.append((entry, _RULE))
        except BadLine as exc:
            faults.append(f"{place}: {exc}")
    if len(expressions) > MAX_EXPRESSIONS:
        faults.append(f"{file_key}: more than {MAX_EXPRESSIONS} regular expressions, each of which is tried")
    return Exempt(keyed(kind, good), tuple(expressions), tuple(faults))


def _entries(
    key: str, entries: Iterable[str], file_key: str, files: Iterable[Path], faults: list[str]
) -> Iterator[tuple[str, str]]:
    """Each entry with the place that it stands at."""
    for entry in entries:
        if entry.strip():
            yield key, entry.strip()
        else:
            faults.append(f"{key}: {entry!r} is no entry")
    for path in files:
        try:
            text = _read(path)
        except OSError as exc:
            faults.append(f"{file_key}: {path}: {exc.strerror}")
            continue
        for number, line in enumerate(text.split("\n"), 1):
            if entry := _COMMENT.sub("", line).strip():
                yield f"{file_key}: {path}:{number}", entry


def _read(path: Path) -> str:
    with path.open("rb") as file:
        raw = file.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return raw.decode("utf-8", "surrogateescape")


def _expression(entry: str) -> Match:
    """Raises BadLine."""
    pattern, rest = RegexpReader().split(entry)
    if rest:
        raise BadLine(f"{entry}: {rest!r} stands behind the expression")
    return RegexpReader().pattern(pattern).match
