"""wrapped - a store around a store: each verb is asked through one method, which sees its answer and its failure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from operator import methodcaller
from typing import Any, Concatenate, ParamSpec, TypeVar

from tamis.store import Store

P = ParamSpec("P")
T = TypeVar("T")


def _through(
    verb: Callable[Concatenate[Any, P], Awaitable[T]],
) -> Callable[Concatenate[WrappedStore, P], Coroutine[Any, Any, T]]:
    """*verb*, asked through `WrappedStore.answer`."""
    name = verb.__name__

    @wraps(verb)
    def ask(self: WrappedStore, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return self.answer(name, methodcaller(name, *args, **kwargs))

    return ask


class WrappedStore(ABC):
    """All verbs of `Store`, asked of *store*."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @abstractmethod
    async def answer(self, verb: str, ask: Callable[[Store], Awaitable[T]]) -> T:
        """What *ask*, the verb with its arguments, answers of the store behind, or of another one."""

    charge = _through(Store.charge)
    first_seen = _through(Store.first_seen)
    greylist = _through(Store.greylist)
    greylist_client = _through(Store.greylist_client)
    watch = _through(Store.watch)
    escalate = _through(Store.escalate)
    lock = _through(Store.lock)
    locked = _through(Store.locked)
    hold = _through(Store.hold)
    usage = _through(Store.usage)
    reset = _through(Store.reset)
    grant = _through(Store.grant)
    subjects = _through(Store.subjects)
    tally = _through(Store.tally)
    pages = _through(Store.pages)
    lines = _through(Store.lines)
    mark = _through(Store.mark)

    async def close(self) -> None:
        """See `Store.close`."""
        await self._store.close()
