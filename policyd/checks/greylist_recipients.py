"""greylist_recipients - for whom strangers wait, where each recipient or domain may say so in a table.

    example.org          on
    ann@example.org      off

The address comes before its domain, and that before the domains above it. All tables are asked in one question each;
an entry that is neither on nor off is a failure.
"""

from __future__ import annotations

from collections.abc import Iterator

from policyd.tables.directory import Directory
from policyd.tables.keyed import Kind, keys_of
from tamis.check import Services
from tamis.errors import TempFail

_WORDS = {frozenset({"on"}): True, frozenset({"off"}): False}


class Opted:
    """What the tables *specs* say of recipients. listed_only: for those whom they do not name nobody waits."""

    def __init__(self, specs: tuple[str, ...], *, listed_only: bool) -> None:
        self._directory = Directory(specs)
        self._listed_only = listed_only

    def __bool__(self) -> bool:
        """Whether there are any tables; without them everybody waits."""
        return bool(self._directory)

    def problems(self, tables: str, unlisted: str) -> Iterator[str]:
        """What is wrong with the tables, and with nobody for whom anyone waits. The options' names are given."""
        yield from self._directory.faults(tables)
        if self._listed_only and not self._directory:
            yield f"{unlisted}: without {tables} nobody ever waits"

    async def close(self) -> None:
        """Hang up."""
        await self._directory.close()

    async def waits(self, recipient: str, services: Services) -> bool:
        """Whether strangers wait for *recipient*. Raises TempFail."""
        keys = tuple(keys_of(Kind.MAILBOX, recipient))
        found = await self._directory.names(keys, services)
        for key in keys:
            if words := found.get(key):
                if words in _WORDS:
                    return _WORDS[words]
                services.log.error("neither on nor off in a table", key=key, found=" ".join(sorted(words)))
                raise TempFail("4.3.5", "A table has a bad entry")
        return not self._listed_only
