"""memo - what follows from a user and tables of the configuration, made once for each user that was looked up.

A user is remembered for some seconds (`lda.users.chain`), and meanwhile is the same object: its identity is the key,
for its fields have no hash. Thread-safe: two threads may do the same work, one result stays.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import Generic, TypeVar, TypeVarTuple

from lda.users import User

MAX_USERS = 1000

Tables = TypeVarTuple("Tables")
Result = TypeVar("Result")


class Memo(Generic[*Tables, Result]):
    """*make*, which does not look at anything but its arguments and what seldom changes."""

    def __init__(self, make: Callable[[User, *Tables], Result]) -> None:
        self._make = make
        self._kept: dict[int, tuple[User, tuple[*Tables], Result]] = {}

    def __call__(self, user: User, *tables: *Tables) -> Result:
        """What *make* says, or has said. Raises what it raises, each time."""
        kept = self._kept.get(id(user))
        if kept is not None and kept[0] is user and all(map(is_, kept[1], tables)):
            return kept[2]
        result = self._make(user, *tables)
        if len(self._kept) >= MAX_USERS:
            self._kept.clear()
        self._kept[id(user)] = (user, tables, result)
        return result
