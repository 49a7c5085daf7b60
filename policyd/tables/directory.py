"""directory - tables of names: whose an address is, who belongs to a list. Files in Postfix's forms, SQL and Redis.

    info@example.org    ann, bob@example.org

The right side is words, with commas or blanks between them. All tables are asked and what they say adds up, so that no
entry hides another. In files a key is just a key: what else an address may be found under is the caller's to ask for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from policyd.tables.keyed import Kind
from policyd.tables.rule import Rule, Words
from policyd.tables.source import Source
from policyd.tables.store import StoredTable
from tamis.check import Services
from tamis.errors import TempFail

MAX_NAMES = 20_000  # that one question may lead to

_BETWEEN = re.compile(r"[\s,]+")
_CAPTURED = re.compile(r"\{(\d{1,2})\}", re.ASCII)


class Directory:
    """Tables by their specs: ``texthash:/path``, ``pcre:/path``, ``sql:/path``, ``redis:/path``."""

    def __init__(self, specs: tuple[str, ...]) -> None:
        self._tables = tuple(_table(spec) for spec in specs)

    def __bool__(self) -> bool:
        """Whether it has any tables."""
        return bool(self._tables)

    def faults(self, key: str) -> Iterator[str]:
        """All that is wrong with the tables that the option *key* names."""
        for table in self._tables:
            yield from (f"{key}: {fault}" for fault in table.faults())

    async def close(self) -> None:
        """Hang up where a table is in a store."""
        for table in self._tables:
            if isinstance(table, StoredTable):
                await table.close()

    async def names(self, keys: Sequence[str], services: Services) -> dict[str, frozenset[str]]:
        """By those of *keys*, lower case, that are found: their names in lower case. Raises TempFail."""
        found: dict[str, set[str]] = {}
        for table in self._tables:
            if isinstance(table, StoredTable):
                rows = await table.values(keys, services.log)
                for key, texts in rows.items():
                    found.setdefault(key, set()).update(*map(_words, texts))
            else:
                _look(table, keys, services, found)
        if sum(map(len, found.values())) > MAX_NAMES:
            raise TempFail("4.3.5", "Tables have too many names for one request")
        return {key: frozenset(names) for key, names in found.items()}

    async def all(self, keys: Sequence[str], services: Services) -> frozenset[str]:
        """The names of all *keys* together."""
        return frozenset().union(*(await self.names(keys, services)).values())

    async def leads(
        self, names: Sequence[str], to: frozenset[str], depth: int, services: Services, too_many: str
    ) -> bool:
        """Whether one of *to* is found from *names*: in the tables, or there again under what was found, *depth* times
        at most. All of one depth is one question. Raises TempFail, with the sentence *too_many* for more names than
        anyone has."""
        seen = set(names)
        for _ in range(depth):
            found = await self.all(names, services)
            if not to.isdisjoint(found):
                return True
            names = tuple(found - seen)
            seen.update(names)
            if len(seen) > MAX_NAMES:
                raise TempFail("4.3.5", too_many)
            if not names:
                break
        return False


def _table(spec: str) -> Source | StoredTable:
    return StoredTable(spec) if StoredTable.serves(spec) else Source(spec, Kind.EXACT, frozenset(), Words)


def _look(source: Source, keys: Sequence[str], services: Services, into: dict[str, set[str]]) -> None:
    table = source.current(services.clock(), services.log)
    for key in keys:
        if hit := table.find(key):
            into.setdefault(key, set()).update(_words(_filled(*hit)))


def _filled(rule: Rule, groups: tuple[str, ...]) -> str:
    """The words, with what a regular expression captured in its places."""
    return _CAPTURED.sub(lambda ref: groups[int(ref[1]) - 1], rule.text) if groups else rule.text


def _words(text: str) -> Iterator[str]:
    return (word.lower() for word in _BETWEEN.split(text) if word)
