"""values - what stands behind an operator: a value, or the lines of files that it names. The caller reads files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tamis.cli.policy.importing.postfwd.lines import Item

MAX_DEPTH = 8
MAX_VALUES = 20_000

_FILE = re.compile(r"([cl]?)(file|table):(.+)", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\$")

ReadFile = Callable[[str], str | None]
"""The text of a file, None where it cannot be read."""


class NotOurs(Exception):
    """Why something has no counterpart, and what to do instead."""

    def __init__(self, why: str, instead: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.instead = instead


def values(item: Item, read_file: ReadFile) -> list[str]:
    """Its value, or those of its files. Raises NotOurs."""
    if _VARIABLE.search(item.value):
        raise NotOurs(
            "compares two attributes of a request", "for HELO and the client's name there is the check helo"
        )
    found = list(_read(item.value, read_file, 0))
    if len(found) > MAX_VALUES:
        raise NotOurs(
            f"its files have more than {MAX_VALUES} lines",
            "put them into a table: cidr:, regexp: or texthash:",
        )
    if not found:
        raise NotOurs("its file has no lines, so that it never holds")
    return found


def _read(value: str, read_file: ReadFile, depth: int) -> Iterator[str]:
    named = _FILE.fullmatch(value)
    if not named:
        yield value
        return
    text = read_file(named[3].strip()) if depth < MAX_DEPTH else None
    if text is None:
        raise NotOurs(f"{named[3].strip()} cannot be read", "name the file where it is now")
    for raw in text.split("\n"):
        line = raw.partition("#")[0]
        if named[2].lower() == "table":
            line = re.sub(r"\s+\S+$", "", line)
        if line.strip():
            yield from _read(line.strip(), read_file, depth + 1)
