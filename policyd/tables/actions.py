"""actions - access(5) actions out of a store: every key that a table in a file would try, asked for in one question."""

from __future__ import annotations

from collections.abc import Sequence

from policyd.tables.keyed import Kind, keys_of
from policyd.tables.lines import BadLine
from policyd.tables.rule import Author, Rule
from policyd.tables.store import StoredTable
from tamis.errors import TempFail
from tamis.log import Log
from tamis.transaction import Stage


class StoredActions:
    """One table. An action is checked when it is found; one that is none is a failure, which the log names."""

    def __init__(self, spec: str, kind: Kind, stages: frozenset[Stage]) -> None:
        self.table = StoredTable(spec)
        self._kind = kind
        self._author = Author(self.table.path.name, stages)

    async def find(self, values: Sequence[str], log: Log) -> Rule | None:
        """The rule for the first of *values* that has one, its most specific key. Raises TempFail."""
        keys = list(dict.fromkeys(key for value in values for key in keys_of(self._kind, value)))
        rows = await self.table.values(keys, log)
        for key in keys:
            if actions := set(rows.get(key, ())):
                return self._rule(key, actions, log)
        return None

    def _rule(self, key: str, actions: set[str], log: Log) -> Rule:
        text = " / ".join(sorted(actions)).strip()
        try:
            rule = self._author.rule(0, text) if text and len(actions) == 1 else None
            fault = "is not one action"
        except BadLine as exc:
            rule, fault = None, str(exc)
        if rule is None:
            log.error("table has a bad entry", table=self.table.path.name, key=key, action=text, error=fault)
            raise TempFail("4.3.5", "A table has a bad entry")
        return rule
