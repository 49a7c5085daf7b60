"""memo - what follows from a user and a table of the configuration, made once for each user that was looked up.

A user is remembered for some seconds (`lda.users.chain`), and meanwhile is the same object: its identity is the key,
for its fields have no hash. Thread-safe: two threads may do the same work, one result stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from lda.users import User

MAX_USERS = 1000

Table = TypeVar("Table")
Result = TypeVar("Result")


class Memo(Generic[Table, Result]):
    """*make*, which does not look at anything but its arguments and what seldom changes."""

    def __init__(self, make: Callable[[User, Table], Result]) -> None:
        self._make = make
        self._kept: dict[int, tuple[User, Table, Result]] = {}

    def __call__(self, user: User, table: Table) -> Result:
        """What *make* says, or has said. Raises what it raises, each time."""
        kept = self._kept.get(id(user))
        if kept is not None and kept[0] is user and kept[1] is table:
            return kept[2]
        result = self._make(user, table)
        if len(self._kept) >= MAX_USERS:
            self._kept.clear()
        self._kept[id(user)] = (user, table, result)
        return result
