"""dictionary - dict files: pairs of lines, a key and its value; for the lists of extlists, the scripts of include."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lda.sieve.extensions.extlists import FindInLists, ListMembers, ListsExist
from lda.svtest.settings import Section

MAX_BYTES = 16 << 20
_LISTS = "sieve_extlists_list"
_MEMBER = "priv/sieve/extlists/"
_SCRIPTS = "sieve_script/"


def read(path: Path) -> dict[str, str]:
    """What is in the file; nothing, if it cannot be read."""
    try:
        with path.open("rb") as file:
            lines = file.read(MAX_BYTES).decode("utf-8", "surrogateescape").split("\n")
    except OSError:
        return {}
    return dict(zip(lines[::2], lines[1::2], strict=False))


def _path(below: dict[str, str], directory: Path) -> Path | None:
    """The file that the settings below one name point to."""
    found = next((value for name, value in sorted(below.items()) if name.endswith("path") and value), None)
    if found is None:
        return None
    return directory / re.sub(r"^file:", "", found)


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of extlists. section: its settings; directory: what paths are relative to."""

    section: Section
    directory: Path

    def exist(self, question: ListsExist) -> bool:
        """All of them are there."""
        known = self._known()
        return all(name in known for name in question.lists)

    def find(self, question: FindInLists) -> str | None:
        """The first of the values that is in one of the lists."""
        known = self._known()
        for value in question.values:
            for name in question.lists:
                most, members = known.get(name, (0, {}))
                short = not most or len(value.encode("utf-8", "replace")) <= most
                if value and short and _MEMBER + value in members:
                    return value
        return None

    def members(self, question: ListMembers) -> tuple[str, ...] | None:
        """The addresses in a list."""
        known = self._known()
        if question.name not in known:
            return None
        keys = (key.removeprefix(_MEMBER) for key in known[question.name][1] if key.startswith(_MEMBER))
        return tuple(key for key in keys if "@" in key)

    def _known(self) -> dict[str, tuple[int, dict[str, str]]]:
        """By name: the longest value that is looked up, 0 for any, and the members."""
        found = {}
        for key in self.section.text(_LISTS).split():
            below = dict(self.section.names(f"{_LISTS}/{key}/"))
            name = below.pop("name", key)
            path = _path(below, self.directory)
            most = Section(below).size("max_lookup_size", default=0)
            found[name] = (most, {} if path is None else read(path))
        return found


def script(storage: str, name: str, section: Section, directory: Path) -> tuple[bool, bytes | None]:
    """Whether the storage of scripts is a dictionary, and the script of that name in it."""
    below = dict(section.names(f"{_SCRIPTS}{storage}/"))
    path = _path(below, directory)
    if path is None or "dict" not in {below.get("sieve_script_driver", "")} | {
        name.split("/", 1)[0].removeprefix("sieve_script_") for name in below
    }:
        return False, None
    values = read(path)
    key = values.get(f"priv/sieve/name/{name}")
    text = None if key is None else values.get(f"priv/sieve/data/{key}")
    return True, None if text is None else text.encode("utf-8", "surrogateescape")
